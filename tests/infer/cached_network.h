#pragma once

#include <memory>
#include <numeric>
#include <vector>

#include "lckv/infer/cached_model.h"
#include "lckv/infer/output_head.h"
#include "lckv/test_support/test_network.h"

namespace lckv::test {

/// A CachedModel and its head over the weights of a TestNetwork.
class CachedNetwork {
 public:
  CachedNetwork(const config::ModelConfig& config, const infer::CachedModel::Options& options,
                const model::ParameterSet& weights)
      : weights_(weights) {
    Arena planned = Arena::planning();
    Parts(planned, config, options);
    arena_ = std::make_unique<Arena>(Arena::allocate(planned));
    parts_ = std::make_unique<Parts>(*arena_, config, options);
    parts_->model.prepare(stream_);
    parts_->head.prepare(stream_);
  }

  infer::CachedModel& model() { return parts_->model; }
  infer::KvCache& cache() { return parts_->model.cache(); }
  const Arena& arena() const { return *arena_; }
  Stream& stream() { return stream_; }

  /// Logits of the wanted rows, [wanted][V].
  NaiveModel::Rows forward(const std::vector<infer::NewTokens>& entries,
                           const std::vector<int32_t>& wanted, const infer::Passes& passes) {
    const ConstView hidden = model().forward(stream_, weights_, entries, wanted, passes);
    if (wanted.empty()) return {};
    const ConstView logits = parts_->head.logits(stream_, weights_, hidden);
    const std::vector<double> values = values_of(logits);
    const auto V = static_cast<ptrdiff_t>(logits.dim(1));
    NaiveModel::Rows rows;
    for (ptrdiff_t i = 0; i < logits.dim(0); ++i) {
      rows.emplace_back(values.begin() + i * V, values.begin() + (i + 1) * V);
    }
    return rows;
  }
  /// The same, after making room.
  NaiveModel::Rows append_and_forward(const std::vector<infer::NewTokens>& entries,
                                      const std::vector<int32_t>& wanted,
                                      const infer::Passes& passes) {
    for (const infer::NewTokens& entry : entries) {
      cache().append(entry.sequence, static_cast<int64_t>(entry.tokens.size()));
    }
    return forward(entries, wanted, passes);
  }
  /// Of all rows of one sequence.
  NaiveModel::Rows extend(int64_t sequence, std::span<const int32_t> tokens,
                          const infer::Passes& passes) {
    std::vector<int32_t> all(tokens.size());
    std::iota(all.begin(), all.end(), 0);
    return append_and_forward({{sequence, tokens}}, all, passes);
  }
  /// One token at a time.
  NaiveModel::Rows decode(int64_t sequence, std::span<const int32_t> tokens) {
    NaiveModel::Rows rows;
    for (size_t t = 0; t < tokens.size(); ++t) {
      rows.push_back(extend(sequence, tokens.subspan(t, 1), {1}).front());
    }
    return rows;
  }

 private:
  struct Parts {
    Parts(Arena& arena, const config::ModelConfig& config,
          const infer::CachedModel::Options& options)
        : model(arena, config, options),
          head(arena, config, model.dims(), {options.dtype, options.most_wanted},
               model.tensor_parallel()) {}
    infer::CachedModel model;
    infer::OutputHead head;
  };

  const model::ParameterSet& weights_;
  Stream stream_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Parts> parts_;
};

inline infer::CachedModel::Options cached_options(int64_t rows, int64_t sequences,
                                                  int64_t most_tokens, DType dtype = DType::kF64) {
  infer::CachedModel::Options options;
  options.dtype = dtype;
  options.most_rows = rows;
  options.most_wanted = rows;
  options.cache.dtype = dtype;
  options.cache.sequences = sequences;
  options.cache.most_tokens = most_tokens;
  options.cache.chunk_tokens = rows;
  options.cache.page_tokens = 4;
  return options;
}

/// Largest difference over the largest value.
inline double row_distance(const NaiveModel::Rows& a, const NaiveModel::Rows& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0, size = 0;
  for (size_t t = 0; t < a.size(); ++t) {
    for (size_t v = 0; v < b[t].size(); ++v) {
      difference = std::max(difference, std::fabs(a[t][v] - b[t][v]));
      size = std::max(size, std::fabs(b[t][v]));
      if (!std::isfinite(a[t][v])) return std::numeric_limits<double>::infinity();
    }
  }
  return difference / size;
}

/// Weights alone, for whatever network reads them.
inline model::ModelOptions weights_only(const config::ModelConfig& config) {
  return model::model_options(config, DType::kF64, 1, 1);
}

}  // namespace lckv::test
