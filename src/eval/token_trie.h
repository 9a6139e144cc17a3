#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace lckv::eval {

/// Rows of tokens as a tree: what rows begin with in common stands there once.
struct TokenTrie {
  struct Edge {
    int parent = -1;    // index of an edge before this one; -1: the row's beginning
    int64_t begin = 0;  // position of its first token in every row that goes through it
    std::span<const int32_t> tokens;  // of the rows that it was made of; at least one
    int64_t end() const { return begin + std::ssize(tokens); }
  };
  std::vector<Edge> edges;
  std::vector<int> leaves;  // per row: the edge of its last token

  /// The edge of a row's token at `position`.
  int edge_of(size_t row, int64_t position) const;
  /// Of all edges.
  int64_t tokens() const;
};

using TokenSpan = std::span<const int32_t>;

/// Tokens that two rows have in common at their beginning.
int64_t common_prefix(TokenSpan a, TokenSpan b);

/// Of rows in lexicographic order, none empty; their tokens must outlive the tree. Without sharing
/// every row is an edge.
TokenTrie make_trie(std::span<const TokenSpan> rows, bool shares_prefixes);

}  // namespace lckv::eval
