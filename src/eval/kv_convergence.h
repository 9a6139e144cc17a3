#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lckv/comm/communicators.h"
#include "lckv/infer/passes.h"
#include "lckv/tensor/stream.h"

namespace lckv::eval {

/// How the keys and values that are read upward settle, pass by pass, over all tokens that were
/// computed: norms are Frobenius over all of them, whatever forward they were in.
///
/// A forward ends when its K,V have converged or after as many passes as its longest row has
/// tokens; they stay as they are in the later passes of others.
struct KvConvergence {
  // ||KV_p - KV_(p-1)|| / ||KV_p|| by pass, p = 2, 3, .., the largest among the layers; of at most
  // so many passes
  static constexpr int64_t kMostPasses = 64;
  std::vector<double> changes;
  // Likewise for each token alone, of the first so many; not in the order of the rows.
  static constexpr int64_t kMostTokens = 65536;
  std::vector<std::vector<float>> token_changes;
  // From the K,V after the passes of training to those that the forwards ended with; if asked for.
  std::optional<double> exact_distance;
  int64_t trained_passes = 1;  // m + b
};

/// Sums over forwards, of this copy of the model and then of all.
class KvConvergenceSums {
 public:
  ///   tokens   of all forwards of all copies, at most; equal on all ranks
  explicit KvConvergenceSums(int64_t tokens);

  /// A forward whose tokens are numbers first_token, first_token + 1, .. of all.
  void add(const infer::PassReport& report, int64_t first_token);

  /// Collective over the copies, once: equal bits on every rank. `trained_passes` is left to the
  /// caller.
  ///
  ///   measures_distance   KvConvergence::exact_distance is wanted
  KvConvergence over_copies(Stream& stream, comm::Communicator& copies, bool measures_distance);

 private:
  struct Layer {
    std::vector<infer::SquaredChange> passes;
    double ended_size = 0;  // of all forwards so far, after their last pass
    infer::SquaredChange distance;
  };
  void grow(size_t layers, size_t passes);
  std::vector<double> as_numbers() const;

  int64_t tokens_;
  std::vector<Layer> layers_;
  std::vector<std::vector<float>> token_changes_;
};

}  // namespace lckv::eval
