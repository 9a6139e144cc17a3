#pragma once

#include <memory>
#include <span>
#include <vector>

#include "lckv/eval/request.h"
#include "lckv/eval/row_scorer.h"
#include "lckv/eval/token_trie.h"
#include "lckv/infer/cached_model.h"
#include "lckv/infer/output_head.h"
#include "lckv/tensor/arena.h"

namespace lckv::eval {

struct RowScorer::Sizes {
  int64_t batch_tokens = 0;  // of a tree, at most
  int64_t longest = 0;       // inputs of a row, at most
  int64_t most_edges = 0;    // of a tree, at most
};

/// A network that scores one tree of rows after another.
class RowScorer::Network {
 public:
  /// Takes its memory from `arena`; call prepare() once on a real one.
  Network(Arena& arena, const config::ModelConfig& config, const Options& options, DType dtype,
          const Sizes& sizes);
  void prepare(Stream& stream);

  const Sizes& sizes() const { return sizes_; }
  /// Of the newest forward; in all modes but the sequential one a tree is one.
  const infer::PassReport& report() const { return model_.report(); }

  /// Scores rows in lexicographic order of their inputs.
  std::vector<RequestScore> score(Stream& stream, const model::ParameterSet& weights,
                                  std::span<const TokenPair* const> rows, Work& work);

 private:
  /// A scored token: which row's, and where in the tree the token before it stands.
  struct Asked {
    size_t row;
    int edge;
    int64_t position;
    int32_t token;
  };
  static std::vector<Asked> asked_of(const TokenTrie& trie, std::span<const TokenPair* const> rows);
  void score_in_passes(Stream& stream, const model::ParameterSet& weights, const TokenTrie& trie,
                       std::span<const Asked> asked, std::vector<RequestScore>& scores, Work& work);
  void score_in_sequence(Stream& stream, const model::ParameterSet& weights, const TokenTrie& trie,
                         std::span<const Asked> asked, std::vector<RequestScore>& scores,
                         Work& work);
  struct Step;
  void run(Stream& stream, const model::ParameterSet& weights, const Step& step,
           const infer::Passes& passes, std::vector<RequestScore>& scores, Work& work);

  ForwardMode mode_;
  bool shares_prefixes_;
  Sizes sizes_;
  infer::CachedModel model_;
  infer::OutputHead head_;
};

}  // namespace lckv::eval
