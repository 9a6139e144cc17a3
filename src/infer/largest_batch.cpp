#include "lckv/infer/largest_batch.h"

#include <algorithm>
#include <limits>

#include "lckv/model/head.h"

namespace lckv::infer {

namespace {

// Far above what pays.
constexpr int64_t kMostSequences = int64_t{1} << 20;

/// Rows of the cache have 32-bit numbers.
int64_t most_sequences(const StaticBatch::Options& options) {
  const int64_t tokens = options.most_tokens() + options.page_tokens;
  return std::clamp<int64_t>(std::numeric_limits<int32_t>::max() / tokens, 1, kMostSequences);
}

/// Keys and values of a sequence of so many tokens when it is at its longest.
int64_t sequence_kv_bytes(const config::ModelConfig& config, const StaticBatch::Options& options,
                          int64_t tokens) {
  const auto layers = model::make_layer_specs(config);
  const model::Dims dims = model::make_dims(config, 1, 1);
  int64_t kept = 0;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].has_kv) continue;
    const Retention retention = retention_of(layers, static_cast<int>(i), {});
    const int64_t most = retention.recent_tokens + options.part_tokens();
    kept += retention.keeps_all() ? tokens : std::min(tokens, most);
  }
  return kept * 2 * dims.Ckv() * size_bytes(options.dtype);
}

/// Activations of the rows of a forward, logits, tables.
int64_t reserve_bytes(const config::ModelConfig& config, const StaticBatch::Options& options,
                      Device device) {
  const model::Dims d = model::make_dims(config, 1, 1);
  const int64_t size = size_bytes(options.dtype), acc = size_bytes(accumulator(options.dtype));
  // hidden three times, x, y; K,V; q twice, attn; gate_up, act
  const int64_t of_row = size * (5 * d.C + 2 * d.Ckv() + 3 * d.Cq() + 3 * d.F) + acc;
  const int64_t logits_rows = std::min(options.sequences, model::Head::most_chunk_rows(device));
  const int64_t of_logits = acc * d.V + size * d.C;
  const int64_t of_wanted = size * 2 * d.C;
  const int64_t rotation = acc * options.most_tokens() * d.D;
  return options.rows() * of_row + logits_rows * of_logits + options.sequences * of_wanted +
         rotation;
}

}  // namespace

int64_t largest_that_fits(const std::function<bool(int64_t)>& fits, int64_t most) {
  int64_t good = 0, bad = 1;
  while (bad <= most && fits(bad)) {
    good = bad;
    bad = good < most && 2 * good > most ? most : 2 * good;
  }
  if (good == most) return good;
  while (bad - good > 1) {
    const int64_t middle = good + (bad - good) / 2;
    (fits(middle) ? good : bad) = middle;
  }
  return good;
}

int64_t largest_batch(const config::ModelConfig& config, const StaticBatch::Options& options,
                      int64_t memory_bytes, Device device) {
  StaticBatch::Options tried = options;
  return largest_that_fits(
      [&](int64_t sequences) {
        tried.sequences = sequences;
        return plan_batch(config, tried, device).total_bytes() <= memory_bytes;
      },
      most_sequences(options));
}

int64_t predict_batch(const config::ModelConfig& config, const StaticBatch::Options& options,
                      int64_t memory_bytes, Device device) {
  const int64_t weights =
      model::make_parameter_table(config).element_count() * size_bytes(options.dtype);
  const int64_t shared_tokens = options.shares_prompt ? options.begun_tokens() : 0;
  const int64_t shared = sequence_kv_bytes(config, options, shared_tokens);
  const int64_t of_one = sequence_kv_bytes(config, options, options.most_tokens()) - shared;
  StaticBatch::Options tried = options;
  return largest_that_fits(
      [&](int64_t sequences) {
        tried.sequences = sequences;
        const int64_t left = memory_bytes - weights - shared - reserve_bytes(config, tried, device);
        return left >= sequences * of_one;
      },
      most_sequences(options));
}

}  // namespace lckv::infer
