#include "lckv/train/bench.h"

#include <algorithm>
#include <optional>

#include "lckv/base/clock.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/model/flops.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

namespace {

constexpr auto kLabel = "bench";

struct RandomTokens {
  std::vector<int32_t> tokens, targets;
  /// Ranks of one copy of the model see the same tokens.
  RandomTokens(int64_t count, int64_t vocabulary, int dp_rank) {
    const CounterRng rng(7, 7 + static_cast<uint64_t>(dp_rank));
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

void all_reduce(comm::Communicator& all, std::vector<double>& values, comm::ReduceOp op) {
  Stream stream;
  all.all_reduce(stream, View(values.data(), DType::kF64, {static_cast<int64_t>(values.size())}),
                 op, kLabel);
}

/// A training process on random tokens. Every function is collective over the world.
class BenchRun {
 public:
  BenchRun(comm::World& world, const config::RunConfig& config)
      : world_(world),
        config_(config),
        ranks_(join_grid(world, config)),
        threads_(use_threads(world, config)),
        dtype_(resolve_precision(config.train.precision)),
        micro_(micro_batches(config.train, ranks_.grid.dp)) {
    comm::require_equal_texts(world_, "precision", std::string(name(dtype_)));
    own_.rank = world_.rank();
    own_.host = world_.host();
    comm::together(world_, [&] { allocate(); });
    objects_->trainer.initialize(stream_, config_.train.seed);
    random_.emplace(dims().N(), dims().V, ranks_.grid.dp_rank());
  }

  void describe(BenchResult& result) const {
    result.backend = ops::kernels({}).name;
    result.precision = name(dtype_);
    result.layer_types = config_.model.layer_types;
    result.grid = ranks_.grid;
    result.threads = threads_;
    result.B = micro_.B;
    result.T = config_.data.sequence_tokens;
    result.micro_batches = micro_.per_step;
    const model::Plan& plan = objects_->trainer.network().plan();
    result.executed_flops_per_token = model::executed_flops(plan, dims()).total();
    result.useful_flops_per_token = model::useful_flops(dims()).total();
  }

  void step() {
    const int64_t own_targets = dims().N() * micro_.per_step;
    objects_->trainer.step(
        stream_,
        [&](int64_t) {
          return model::TokenBatch{random_->tokens, random_->targets, {}};
        },
        micro_.per_step, own_targets, config_.optimizer, config_.optimizer.lr, ++updates_);
  }

  void warm_up(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) step();
    own_.measured_bytes = peak_resident_bytes() - resident_before_;
    own_.scratch_bytes = ops::cpu_scratch_bytes();
  }

  /// Seconds of each step on its slowest rank; all begin it together.
  std::vector<double> time_steps(int64_t steps) {
    std::vector<double> seconds;
    for (int64_t i = 0; i < steps; ++i) {
      world_.all().barrier(kLabel);
      const Stopwatch watch;
      step();
      seconds.push_back(watch.elapsed_s());
    }
    all_reduce(world_.all(), seconds, comm::ReduceOp::kMax);
    return seconds;
  }

  /// Of all ranks together, which share the machine's memory bandwidth while they measure.
  double gemm_flops_per_s(double seconds) {
    const model::Model& network = objects_->trainer.network();
    const auto gemms =
        model::list_gemms(network.plan(), dims(), network.head_chunk_rows(), /*training=*/true);
    world_.all().barrier(kLabel);
    std::vector<double> rate = {measure_gemm_rate(gemms, dtype_, seconds).flops_per_s};
    all_reduce(world_.all(), rate, comm::ReduceOp::kSum);
    return rate[0];
  }

  /// One step with every op and collective timed.
  void profile_step(BenchResult& result, bool keep_timelines) {
    for (comm::Communicator* group : groups()) group->reset_traffic();
    RankTimeline timeline{
        .rank = own_.rank, .host = own_.host, .begin_s = 0, .end_s = 0, .spans = {}};
    world_.all().barrier(kLabel);
    ops::start_profiling();
    start_timeline();
    timeline.begin_s = timeline_now_s();
    {
      const TimelineScope scope("step", "step");
      step();
    }
    timeline.end_s = timeline_now_s();
    timeline.spans = stop_timeline();
    result.work = ops::stop_profiling();
    own_.step_s = timeline.end_s - timeline.begin_s;
    own_.comm = measure_comm(timeline.spans, traffic());
    result.profiled_step_s = own_.step_s;
    if (keep_timelines) result.timelines = gather_timelines(world_.all(), timeline);
  }

  std::vector<RankBench> ranks() { return gather_ranks(world_.all(), own_); }

 private:
  void allocate() {
    const Arena plan = plan_run_memory(config_, dtype_, ranks_);
    own_.planned_bytes = plan.bytes();
    reset_peak_resident();
    resident_before_ = resident_bytes();
    arena_.emplace(Arena::allocate(plan));
    objects_.emplace(*arena_, config_, dtype_, ranks_);
    objects_->trainer.prepare(stream_);
  }

  const model::Dims& dims() const { return objects_->trainer.network().dims(); }

  /// Those that communicate.
  std::vector<comm::Communicator*> groups() const {
    std::vector<comm::Communicator*> several;
    for (const auto* group : {&ranks_.world, &ranks_.dp, &ranks_.tp, &ranks_.kv}) {
      if ((*group)->size() > 1) several.push_back(group->get());
    }
    return several;
  }

  std::map<std::string, comm::Traffic> traffic() const {
    std::map<std::string, comm::Traffic> sum;
    for (const comm::Communicator* group : groups()) {
      for (const auto& [label, counted] : group->traffic()) {
        comm::Traffic& of_label = sum[label];
        of_label.kind = counted.kind;
        of_label.calls += counted.calls;
        of_label.sent_bytes += counted.sent_bytes;
      }
    }
    return sum;
  }

  comm::World& world_;
  const config::RunConfig& config_;
  std::optional<Arena> arena_;  // outlives whatever works in it
  comm::Communicators ranks_;
  int threads_;
  DType dtype_;
  MicroBatches micro_;
  RankBench own_;
  int64_t resident_before_ = 0;
  std::optional<RunObjects> objects_;
  std::optional<RandomTokens> random_;
  Stream stream_;
  int64_t updates_ = 0;
};

}  // namespace

BenchResult bench_training(comm::World& world, const config::RunConfig& original,
                           const BenchSettings& settings) {
  config::RunConfig config = original;
  config.data.validation.clear();  // nothing but training is measured
  config.data.document_mask = false;
  BenchRun run(world, config);
  BenchResult result;
  run.describe(result);
  run.warm_up(settings.warmup_steps);
  const double before = run.gemm_flops_per_s(settings.gemm_s / 2);
  result.step_s = run.time_steps(settings.steps);
  const double after = run.gemm_flops_per_s(settings.gemm_s / 2);
  run.profile_step(result, settings.keep_timelines);
  result.ranks = run.ranks();

  const int64_t tokens = result.B * result.T * result.micro_batches * result.grid.dp;
  result.median_step_s = median(result.step_s);
  result.tokens_per_s = double(tokens) / result.median_step_s;
  result.executed_flops_per_s = result.tokens_per_s * result.executed_flops_per_token;
  result.gemm_flops_per_s = std::max(before, after);
  result.executed_frac = result.executed_flops_per_s / result.gemm_flops_per_s;
  result.useful_frac =
      result.tokens_per_s * result.useful_flops_per_token / result.gemm_flops_per_s;
  return result;
}

}  // namespace lckv::train
