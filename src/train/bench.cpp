#include "lckv/train/bench.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "lckv/base/clock.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/model/flops.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

namespace {

struct RandomTokens {
  std::vector<int32_t> tokens, targets;
  RandomTokens(int64_t count, int64_t vocabulary) {
    const CounterRng rng(7, 7);
    for (int64_t i = 0; i <= count; ++i) {
      const auto token = static_cast<int32_t>(
          rng.below(static_cast<uint64_t>(i), static_cast<uint64_t>(vocabulary)));
      if (i < count) tokens.push_back(token);
      if (i > 0) targets.push_back(token);
    }
  }
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

}  // namespace

BenchResult bench_training(const config::RunConfig& original, const BenchSettings& settings) {
  config::RunConfig config = original;
  config.data.validation.clear();  // nothing but training is measured
  config.data.document_mask = false;
  BenchResult result;
  result.threads = use_threads(config.train.threads);
  const DType dtype = resolve_precision(config.train.precision);
  const MicroBatches micro = micro_batches(config.train);
  result.backend = ops::kernels({}).name;
  result.precision = name(dtype);
  result.layer_types = config.model.layer_types;
  result.B = micro.B;
  result.T = config.data.sequence_tokens;
  result.micro_batches = micro.per_step;

  const Arena plan = plan_run_memory(config, dtype);
  result.planned_bytes = plan.bytes();
  reset_peak_resident();
  const int64_t resident_before = resident_bytes();
  Arena arena = Arena::allocate(plan);
  RunObjects objects(arena, config, dtype);
  Trainer& trainer = objects.trainer;
  Stream stream;
  trainer.prepare(stream);
  trainer.initialize(stream, config.train.seed);

  const model::Dims& d = trainer.network().dims();
  const RandomTokens random(d.N(), d.V);
  int64_t updates = 0;
  const auto step = [&] {
    trainer.step(
        stream,
        [&](int64_t) {
          return model::TokenBatch{random.tokens, random.targets, {}};
        },
        micro.per_step, d.N() * micro.per_step, config.optimizer, config.optimizer.lr, ++updates);
  };
  for (int64_t i = 0; i < settings.warmup_steps; ++i) step();
  result.measured_bytes = peak_resident_bytes() - resident_before;

  const auto gemms =
      model::list_gemms(trainer.network().plan(), d, trainer.network().head_chunk_rows(), true);
  const GemmRate before = measure_gemm_rate(gemms, dtype, settings.gemm_s / 2);
  for (int64_t i = 0; i < settings.steps; ++i) {
    const Stopwatch watch;
    step();
    result.step_s.push_back(watch.elapsed_s());
  }
  const GemmRate after = measure_gemm_rate(gemms, dtype, settings.gemm_s / 2);
  ops::start_profiling();
  const Stopwatch watch;
  step();
  result.profiled_step_s = watch.elapsed_s();
  result.work = ops::stop_profiling();

  result.median_step_s = median(result.step_s);
  result.tokens_per_s = double(d.N() * micro.per_step) / result.median_step_s;
  result.executed_flops_per_token = model::executed_flops(trainer.network().plan(), d).total();
  result.useful_flops_per_token = model::useful_flops(d).total();
  result.executed_flops_per_s = result.tokens_per_s * result.executed_flops_per_token;
  result.gemm_flops_per_s = std::max(before.flops_per_s, after.flops_per_s);
  result.executed_frac = result.executed_flops_per_s / result.gemm_flops_per_s;
  result.useful_frac =
      result.tokens_per_s * result.useful_flops_per_token / result.gemm_flops_per_s;
  return result;
}

std::string to_text(const BenchResult& r) {
  std::string text = format(
      "{}, {} threads, {}; {}; {} micro-batches of {} x {} tokens\n"
      "step            {:.3f} s (median of {}; fastest {:.3f}, slowest {:.3f})\n"
      "tokens/s        {:.0f}\n"
      "executed        {:.2f} MFLOP per token, {}FLOP/s = {:.1f} % of the matmul rate\n"
      "useful (Llama)  {:.2f} MFLOP per token = {:.1f} %\n"
      "matmul rate     {}FLOP/s at this model's shapes, measured in this run\n"
      "memory          planned {}, measured {} ({:+.1f} %)\n"
      "time by kind of work, one step of {:.3f} s:\n",
      r.backend, r.threads, r.precision, r.layer_types.empty() ? "plain Llama" : r.layer_types,
      r.micro_batches, r.B, r.T, r.median_step_s, r.step_s.size(),
      *std::min_element(r.step_s.begin(), r.step_s.end()),
      *std::max_element(r.step_s.begin(), r.step_s.end()), r.tokens_per_s,
      r.executed_flops_per_token / 1e6, human_count(r.executed_flops_per_s), 100 * r.executed_frac,
      r.useful_flops_per_token / 1e6, 100 * r.useful_frac, human_count(r.gemm_flops_per_s),
      human_bytes(double(r.planned_bytes)), human_bytes(double(r.measured_bytes)),
      100 * (double(r.measured_bytes) / double(r.planned_bytes) - 1), r.profiled_step_s);
  for (size_t k = 0; k < r.work.seconds.size(); ++k) {
    text += format("  {:<20} {:8.3f} s  {:5.1f} %\n", ops::name(static_cast<ops::WorkKind>(k)),
                   r.work.seconds[k], 100 * r.work.seconds[k] / r.profiled_step_s);
  }
  text += format("  {:<20} {:8.3f} s  {:5.1f} %\n", "outside kernels",
                 r.profiled_step_s - r.work.total_s(),
                 100 * (1 - r.work.total_s() / r.profiled_step_s));
  return text;
}

std::string to_json(const BenchResult& r) {
  nlohmann::ordered_json work;
  for (size_t k = 0; k < r.work.seconds.size(); ++k) {
    work[ops::name(static_cast<ops::WorkKind>(k))] = r.work.seconds[k];
  }
  const nlohmann::ordered_json json = {{"backend", r.backend},
                                       {"threads", r.threads},
                                       {"precision", r.precision},
                                       {"layer_types", r.layer_types},
                                       {"B", r.B},
                                       {"T", r.T},
                                       {"micro_batches", r.micro_batches},
                                       {"step_s", r.step_s},
                                       {"tokens_per_s", r.tokens_per_s},
                                       {"executed_flops_per_token", r.executed_flops_per_token},
                                       {"useful_flops_per_token", r.useful_flops_per_token},
                                       {"executed_flops_per_s", r.executed_flops_per_s},
                                       {"gemm_flops_per_s", r.gemm_flops_per_s},
                                       {"executed_frac", r.executed_frac},
                                       {"useful_frac", r.useful_frac},
                                       {"planned_bytes", r.planned_bytes},
                                       {"measured_bytes", r.measured_bytes},
                                       {"profiled_step_s", r.profiled_step_s},
                                       {"work_s", work}};
  return json.dump(2) + "\n";
}

}  // namespace lckv::train
