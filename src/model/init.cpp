#include "lckv/model/init.h"

#include <algorithm>
#include <thread>

#include "lckv/base/error.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"

namespace lckv::model {

namespace {

template <class T>
void fill_normal(T* to, int64_t begin, int64_t end, const CounterRng& rng, double deviation) {
  for (int64_t i = begin; i < end; ++i) {
    const double value = deviation * rng.normal(static_cast<uint64_t>(i));
    if constexpr (std::is_same_v<T, double>) {
      to[i] = value;
    } else {
      to[i] = T(static_cast<float>(value));
    }
  }
}

template <class T>
void initialize_parameter(const Parameter& parameter, View to, const config::ModelConfig& config,
                          uint64_t seed) {
  T* values = to.data<T>();
  const int64_t count = to.numel();
  if (parameter.role == Role::kNorm) {
    std::fill(values, values + count, T(1));
    return;
  }
  const CounterRng rng(seed, hash_text(parameter.name));
  const int64_t workers = std::max<int64_t>(1, std::min<int64_t>(usable_cores(), count >> 16));
  std::vector<std::jthread> threads;
  for (int64_t w = 0; w < workers; ++w) {
    threads.emplace_back([=, &rng, &config] {
      fill_normal(values, count * w / workers, count * (w + 1) / workers, rng,
                  config.initializer_range);
    });
  }
  threads.clear();
  if (parameter.role == Role::kTokenEmbedding && config.pad_token_id) {
    const int64_t width = to.dim(1);
    std::fill_n(values + *config.pad_token_id * width, width, T(0));
  }
}

}  // namespace

void initialize(const ParameterSet& weights, const config::ModelConfig& config, uint64_t seed) {
  for (const Parameter& parameter : weights.table().parameters) {
    with_float_type(weights.dtype(), [&](auto tag) {
      initialize_parameter<typename decltype(tag)::type>(parameter, weights.view(parameter), config,
                                                         seed);
    });
  }
}

uint64_t content_hash(const ParameterSet& set) {
  uint64_t hash = 0;
  for (const Parameter& parameter : set.table().parameters) {
    const View view = set.view(parameter);
    const std::string line = format("{:x} {} {:x}", hash, parameter.name,
                                    hash_bytes(view.raw(), static_cast<size_t>(view.bytes())));
    hash = hash_text(line);
  }
  return hash;
}

}  // namespace lckv::model
