#include "lckv/train/bench.h"

#include <algorithm>
#include <map>

#include "lckv/kernels/cpu_threads.h"
#include "lckv/model/flops.h"
#include "lckv/train/gemm_rate.h"

namespace lckv::train {

namespace {

constexpr auto kLabel = "bench";

/// What is measured on a training process. Every function is collective over the world.
class TrainingBench {
 public:
  TrainingBench(comm::World& world, const config::RunConfig& config) : run_(world, config) {
    own_.rank = world.rank();
    own_.host = world.host();
    own_.planned_bytes = run_.planned_bytes();
    own_.planned_scratch_bytes = run_.scratch_plan().bytes();
  }

  void describe(BenchResult& result) const {
    static_cast<BenchSubject&>(result) = run_.subject();
    const model::Plan& plan = run_.trainer().network().plan();
    result.executed_flops_per_token = model::executed_flops(plan, run_.dims()).total();
    result.useful_flops_per_token = model::useful_flops(run_.dims()).total();
  }

  void warm_up(int64_t steps) {
    run_.steps(steps);
    own_.measured_bytes = run_.grown_bytes();
    own_.scratch_bytes = run_.device().kind == DeviceKind::kCpu ? ops::cpu_scratch_bytes()
                                                                : run_.stream().scratch_bytes();
  }

  std::vector<double> time_steps(int64_t steps) { return run_.time_steps(steps); }

  /// Of all ranks together, which share the machine's memory bandwidth while they measure.
  double gemm_flops_per_s(double seconds) {
    const model::Model& network = run_.trainer().network();
    const auto gemms = model::list_gemms(network.plan(), run_.dims(), network.head_chunk_rows(),
                                         /*training=*/true);
    all().barrier(kLabel);
    double rate = measure_gemm_rate(gemms, run_.dtype(), seconds, run_.device()).flops_per_s;
    all().all_reduce(run_.stream(), View(&rate, DType::kF64, {1}), comm::ReduceOp::kSum, kLabel);
    return rate;
  }

  /// One step with every op and collective timed.
  void profile_step(BenchResult& result, bool keep_timelines) {
    for (comm::Communicator* group : groups()) group->reset_traffic();
    (void)take_device_times();
    RankTimeline timeline{
        .rank = own_.rank, .host = own_.host, .begin_s = 0, .end_s = 0, .spans = {}};
    all().barrier(kLabel);
    ops::start_profiling();
    start_timeline();
    timeline.begin_s = timeline_now_s();
    {
      const TimelineScope scope("step", "step");
      run_.step();
      run_.stream().synchronize();
    }
    timeline.end_s = timeline_now_s();
    timeline.spans = stop_timeline();
    result.work = ops::stop_profiling();
    own_.step_s = timeline.end_s - timeline.begin_s;
    own_.comm = measure_comm(timeline.spans, traffic(), take_device_times());
    result.profiled_step_s = own_.step_s;
    if (keep_timelines) result.timelines = gather_timelines(all(), timeline);
  }

  std::vector<RankBench> ranks() { return gather_ranks(all(), own_); }

 private:
  comm::Communicator& all() { return run_.world().all(); }

  /// Those that communicate.
  std::vector<comm::Communicator*> groups() const {
    const comm::Communicators& ranks = run_.ranks();
    std::vector<comm::Communicator*> several;
    for (const auto* group : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
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

  std::map<std::string, comm::DeviceTimes> take_device_times() const {
    std::map<std::string, comm::DeviceTimes> sum;
    for (comm::Communicator* group : groups()) {
      for (const auto& [label, times] : comm::take_device_times(*group)) sum[label] += times;
    }
    return sum;
  }

  BenchRun run_;
  RankBench own_;
};

}  // namespace

BenchResult bench_training(comm::World& world, const config::RunConfig& original,
                           const BenchSettings& settings) {
  config::RunConfig config = original;
  config.checkpoint.asynchronous = false;  // nothing but training is measured
  TrainingBench bench(world, config);
  BenchResult result;
  bench.describe(result);
  bench.warm_up(settings.warmup_steps);
  const double before = bench.gemm_flops_per_s(settings.gemm_s / 2);
  result.step_s = bench.time_steps(settings.steps);
  const double after = bench.gemm_flops_per_s(settings.gemm_s / 2);
  bench.profile_step(result, settings.keep_timelines);
  result.ranks = bench.ranks();

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
