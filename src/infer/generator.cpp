#include "lckv/infer/generator.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/infer/generation_run.h"

namespace lckv::infer {

namespace {

CachedModel::Options model_options(const Generator::Options& options) {
  const BatchSizes& sizes = options.sizes;
  CachedModel::Options model;
  model.dtype = options.dtype;
  model.most_rows = sizes.rows;
  model.most_wanted = sizes.sequences;
  model.cache.dtype = options.dtype;
  model.cache.sequences = sizes.sequences;
  model.cache.most_tokens = sizes.most_tokens;
  model.cache.total_tokens = sizes.pages * sizes.page_tokens;
  model.cache.chunk_tokens = sizes.chunk_tokens;
  model.cache.page_tokens = sizes.page_tokens;
  model.cache.streaming = options.streaming;
  model.ranks = options.ranks;
  return model;
}

int64_t bytes_of(const config::ModelConfig& config, const Generator::Options& options,
                 Device device) {
  Arena plan = Arena::planning(device);
  const Generator planned(plan, config, options);
  return plan.bytes();
}

}  // namespace

Generator::Generator(Arena& arena, const config::ModelConfig& config, const Options& options)
    : options_(options),
      model_(arena, config, model_options(options)),
      head_(arena, config, model_.dims(), {options.dtype, options.sizes.sequences},
            model_.tensor_parallel()) {
  stats_.kv_bytes = model_.cache().bytes();
}

void Generator::prepare(Stream& stream) {
  model_.prepare(stream);
  head_.prepare(stream);
}

std::vector<Completion> Generator::generate(Stream& stream, const model::ParameterSet& weights,
                                            const data::Tokenizer* tokenizer,
                                            std::span<const Request> requests,
                                            const Listener& listener,
                                            const std::atomic<bool>* stop) {
  Run run(*this, stream, weights, tokenizer, requests, listener, stop);
  while (run.step()) {
  }
  return run.take_completions();
}

PlacedGenerator::PlacedGenerator(const config::ModelConfig& config,
                                 const Generator::Options& options, Device device)
    : stream_(device), plan_(Arena::planning(device)) {
  const Generator planned(plan_, config, options);
  arena_.emplace(Arena::allocate(plan_));
  generator_.emplace(*arena_, config, options);
  generator_->prepare(stream_);
}

Generator::Options fit_into(int64_t memory_bytes, const config::ModelConfig& config,
                            const Generator::Options& options, std::span<const Request> requests,
                            Device device) {
  Generator::Options fitting = options;
  const auto fits = [&](int64_t pages) {
    fitting.sizes.pages = pages;
    return bytes_of(config, fitting, device) <= memory_bytes;
  };
  for (int64_t batch = options.sizes.batch; batch > 0; batch /= 2) {
    fitting.sizes = batch_sizes(requests, options.prefill, batch);
    int64_t most = fitting.sizes.pages;
    if (fits(most)) return fitting;
    int64_t least = fitting.sizes.least_pages;
    if (!fits(least)) continue;
    while (most - least > 1) {
      const int64_t middle = least + (most - least) / 2;
      (fits(middle) ? least : most) = middle;
    }
    fitting.sizes.pages = least;
    return fitting;
  }
  throw ConfigError(format("{} bytes of memory are too few: one sequence at a time needs {}",
                           with_thousands(memory_bytes),
                           with_thousands(bytes_of(config, fitting, device))));
}

}  // namespace lckv::infer
