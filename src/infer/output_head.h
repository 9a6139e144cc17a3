#pragma once

#include <span>
#include <vector>

#include "lckv/config/model.h"
#include "lckv/infer/staged_numbers.h"
#include "lckv/model/parameter_set.h"
#include "lckv/model/tensor_parallel.h"

namespace lckv::infer {

/// Final norm and LM head of a few rows: logits, or what they say of given tokens. Functions are
/// collective over the ranks of a model copy; every rank gets the whole.
class OutputHead {
 public:
  struct Options {
    DType dtype = DType::kF32;
    int64_t most_rows = 1;
    // Logits are rounded to BF16 before softmax, as models do whose head computes in it
    // (spec/evaluation.md 2).
    bool bf16_logits = false;
  };

  /// `tp` outlives the head.
  OutputHead(Arena& arena, const config::ModelConfig& config, const model::Dims& dims,
             const Options& options, const model::TensorParallel& tp);
  /// Once, on a real arena.
  void prepare(Stream& stream) { numbers_.prepare(stream); }

  /// Rows of logits() at once, at most.
  int64_t chunk_rows() const { return logits_.dim(0); }
  /// hidden [M, C], M <= chunk_rows(). Returns [M, V] F32 (F64), valid until the next call.
  ConstView logits(Stream& stream, const model::ParameterSet& weights, ConstView hidden);

  /// A token that might stand after a row.
  struct Target {
    int64_t row = 0;
    int32_t token = 0;
  };
  /// Its negative log-likelihood, and the row's likeliest token (the first of equal ones).
  struct Score {
    double nll = 0;
    int32_t best = 0;
  };
  /// hidden [M, C] of any M up to most_rows; targets by ascending row, several of one row are
  /// possible. One score per target. Waits for the device.
  std::vector<Score> score(Stream& stream, const model::ParameterSet& weights, ConstView hidden,
                           std::span<const Target> targets);

 private:
  void score_chunk(Stream& stream, ConstView logits, int64_t first_row,
                   std::span<const Target> targets, std::span<Score> scores);

  const model::TensorParallel& tp_;
  double rms_norm_eps_;
  int64_t V_;
  View x_, rstd_;    // [chunk, C], [chunk]
  View parts_;       // [tp * chunk * V_tp]; of a split vocabulary
  View logits_;      // [chunk, V]
  View rounded_;     // [chunk, V] BF16, or empty
  View nll_, best_;  // [chunk]
  StagedNumbers numbers_;
};

}  // namespace lckv::infer
