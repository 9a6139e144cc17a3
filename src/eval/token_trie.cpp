#include "lckv/eval/token_trie.h"

#include <algorithm>

namespace lckv::eval {

namespace {

class TrieMaker {
 public:
  explicit TrieMaker(std::span<const TokenSpan> rows) : rows_(rows) {
    trie_.leaves.resize(rows.size(), -1);
    add(0, rows.size(), 0, -1);
  }
  TokenTrie take() { return std::move(trie_); }

 private:
  /// Rows begin .. end-1, whose first `depth` tokens are equal and end with edge `parent`.
  void add(size_t begin, size_t end, int64_t depth, int parent) {
    for (; begin < end && std::ssize(rows_[begin]) == depth; ++begin) {
      trie_.leaves[begin] = parent;
    }
    while (begin < end) {
      size_t stop = begin + 1;
      while (stop < end && token(stop, depth) == token(begin, depth)) ++stop;
      // In lexicographic order the first and the last row have the least in common.
      const int64_t common = common_prefix(rows_[begin], rows_[stop - 1]);
      const int edge = static_cast<int>(trie_.edges.size());
      trie_.edges.push_back(
          {parent, depth,
           rows_[begin].subspan(static_cast<size_t>(depth), static_cast<size_t>(common - depth))});
      add(begin, stop, common, edge);
      begin = stop;
    }
  }
  int32_t token(size_t row, int64_t at) const { return rows_[row][static_cast<size_t>(at)]; }

  std::span<const TokenSpan> rows_;
  TokenTrie trie_;
};

}  // namespace

int TokenTrie::edge_of(size_t row, int64_t position) const {
  int edge = leaves[row];
  while (edges[static_cast<size_t>(edge)].begin > position) {
    edge = edges[static_cast<size_t>(edge)].parent;
  }
  return edge;
}

int64_t TokenTrie::tokens() const {
  int64_t sum = 0;
  for (const Edge& edge : edges) sum += std::ssize(edge.tokens);
  return sum;
}

int64_t common_prefix(TokenSpan a, TokenSpan b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return in_a - a.begin();
}

TokenTrie make_trie(std::span<const TokenSpan> rows, bool shares_prefixes) {
  if (shares_prefixes) return TrieMaker(rows).take();
  TokenTrie trie;
  for (const TokenSpan& row : rows) {
    trie.leaves.push_back(static_cast<int>(trie.edges.size()));
    trie.edges.push_back({-1, 0, row});
  }
  return trie;
}

}  // namespace lckv::eval
