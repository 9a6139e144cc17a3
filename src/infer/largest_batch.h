#pragma once

#include <cstdint>
#include <functional>

#include "lckv/infer/static_batch.h"

namespace lckv::infer {

/// The largest n from 1 to `most` with fits(n), by doubling, then bisection; 0 when not even one
/// fits. What is larger than something that does not fit is taken not to fit.
int64_t largest_that_fits(const std::function<bool(int64_t)>& fits, int64_t most);

/// The largest batch whose weights, cache, activations and logits take at most `memory_bytes` by
/// plan_batch(); options.sequences is not read. 0: not even one sequence fits.
int64_t largest_batch(const config::ModelConfig& config, const StaticBatch::Options& options,
                      int64_t memory_bytes, Device device);

/// The same from shapes alone (spec/evaluation.md 8.3):
///
///   B = floor((M - weights - reserve) / (S_max * KV bytes per token))
///
/// with what activations and logits of B sequences take for the reserve. It knows no pages and no
/// alignment: it stands beside the planned number as a check. A shared prompt counts once.
int64_t predict_batch(const config::ModelConfig& config, const StaticBatch::Options& options,
                      int64_t memory_bytes, Device device);

}  // namespace lckv::infer
