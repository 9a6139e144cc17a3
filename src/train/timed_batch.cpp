#include "lckv/train/timed_batch.h"

#include <span>

#include "lckv/base/clock.h"
#include "lckv/base/random.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv::train {

namespace {

using Choice = infer::StaticBatch::Choice;

std::vector<int32_t> random_tokens(int64_t count, int64_t vocabulary, uint64_t seed) {
  const CounterRng rng(seed, hash_text("bench generate"));
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(
        rng.below(static_cast<uint64_t>(i), static_cast<uint64_t>(vocabulary))));
  }
  return tokens;
}

Choice choice_of(const infer::StaticBatch::Options& options) {
  return options.prompt_tokens > 0 && options.new_tokens > 0 ? Choice::kGreedy : Choice::kNone;
}

}  // namespace

TimedBatch::TimedBatch(const config::ModelConfig& config,
                       const infer::StaticBatch::Options& options,
                       const model::ParameterSet& weights, Device device, uint64_t seed)
    : weights_(weights), options_(options), choice_(choice_of(options)), stream_(device) {
  Arena planned = Arena::planning(device);
  const infer::StaticBatch shapes(planned, config, options);
  arena_.emplace(Arena::allocate(planned));
  batch_.emplace(*arena_, config, options);
  batch_->prepare(stream_);
  const int64_t V = config.vocab_size, prompts = options.prompts();
  context_ = random_tokens(prompts * options.context_tokens, V, seed);
  prompt_ = random_tokens(prompts * options.prompt_tokens, V, seed + 1);
  next_ = random_tokens(options.sequences + options.new_tokens, V, seed + 2);
}

/// The context is there, and nothing else.
void TimedBatch::start() {
  if (!has_begun_ || !batch_->rewind(options_.context_tokens)) {
    batch_->begin();
    if (!context_.empty()) batch_->encode(stream_, weights_, context_, Choice::kNone);
    has_begun_ = true;
  }
  if (prompt_.empty()) batch_->fork(stream_);
  stream_.synchronize();
}

void TimedBatch::encode_prompt() {
  batch_->encode(stream_, weights_, prompt_, choice_);
  batch_->fork(stream_);
  stream_.synchronize();
}

void TimedBatch::decode(int64_t step) {
  std::span<const int32_t> tokens =
      std::span(next_).subspan(static_cast<size_t>(step), static_cast<size_t>(options_.sequences));
  if (choice_ == Choice::kGreedy) {
    chosen_.assign(batch_->chosen().begin(), batch_->chosen().end());
    tokens = chosen_;
  }
  batch_->decode(stream_, weights_, tokens, choice_);
  stream_.synchronize();
}

GenerateSample TimedBatch::run(int64_t steps) {
  start();
  GenerateSample sample;
  Stopwatch watch;
  if (!prompt_.empty()) {
    encode_prompt();
    sample.prompt_s = watch.elapsed_s();
  }
  watch.restart();
  for (int64_t step = 0; step < steps; ++step) decode(step);
  if (steps > 0) sample.decode_s = watch.elapsed_s();
  return sample;
}

infer::DecodeTraffic TimedBatch::traffic(int64_t steps) {
  infer::DecodeTraffic sum;
  const int64_t begun = options_.begun_tokens();
  for (int64_t step = 0; step < steps; ++step) {
    const int64_t cached = begun + step;
    const infer::DecodeTraffic one =
        infer::decode_traffic(batch_->decode_plan(cached == 0), batch_->dims(), options_.dtype, {},
                              {.sequences = options_.sequences,
                               .cached_tokens = cached,
                               .shared_tokens = options_.shares_prompt ? begun : 0});
    sum.weights_bytes += one.weights_bytes;
    sum.kv_bytes += one.kv_bytes;
  }
  if (steps == 0) return {};
  return {sum.weights_bytes / steps, sum.kv_bytes / steps};
}

int64_t TimedBatch::scratch_bytes() const {
  return stream_.device().kind == DeviceKind::kCpu ? ops::cpu_scratch_bytes()
                                                   : stream_.scratch_bytes();
}

}  // namespace lckv::train
