#include "lckv/train/bench.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

#include "lckv/base/clock.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/kernels/cpu/thread_scratch.h"
#include "lckv/model/flops.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

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

struct Interval {
  double begin_s, end_s;
};

double overlap_s(const Interval& a, const Interval& b) {
  return std::max(0.0, std::min(a.end_s, b.end_s) - std::max(a.begin_s, b.begin_s));
}

double overlap_s(const Interval& a, const std::vector<Interval>& disjoint) {
  double sum_s = 0;
  for (const Interval& b : disjoint) sum_s += overlap_s(a, b);
  return sum_s;
}

/// All time that none of them covers. They are disjoint and in order.
std::vector<Interval> gaps_between(const std::vector<Interval>& intervals) {
  constexpr double kForever = std::numeric_limits<double>::infinity();
  std::vector<Interval> gaps;
  double begin_s = -kForever;
  for (const Interval& interval : intervals) {
    gaps.push_back({begin_s, interval.begin_s});
    begin_s = interval.end_s;
  }
  gaps.push_back({begin_s, kForever});
  return gaps;
}

bool is_blocking(const TimelineSpan& span) {
  return span.category == "collective" && span.lane == "main";
}
bool is_started(const TimelineSpan& span) {
  return span.category == "collective" && span.lane != "main";
}
bool is_wait(const TimelineSpan& span) { return span.category == "wait"; }

double length_s(const TimelineSpan& span) { return span.end_s - span.begin_s; }

/// When the main lane waited for what `lane` runs, by the labels of both.
std::vector<Interval> waits_for(const std::string& lane, const std::vector<TimelineSpan>& spans) {
  std::set<std::string> labels;
  for (const TimelineSpan& span : spans) {
    if (is_started(span) && span.lane == lane) labels.insert(span.name);
  }
  std::vector<Interval> waits;
  for (const TimelineSpan& span : spans) {
    if (is_wait(span) && labels.contains(span.name)) waits.push_back({span.begin_s, span.end_s});
  }
  return waits;
}

}  // namespace

CommTimes& CommTimes::operator+=(const CommTimes& other) {
  blocking_s += other.blocking_s;
  waited_s += other.waited_s;
  started_s += other.started_s;
  hidden_s += other.hidden_s;
  awaited_s += other.awaited_s;
  return *this;
}

CommTimes total(const StepComm& comm) {
  CommTimes sum;
  for (const auto& [label, of_label] : comm) sum += of_label.times;
  return sum;
}

StepComm measure_comm(const std::vector<TimelineSpan>& spans,
                      const std::map<std::string, comm::Traffic>& traffic) {
  StepComm result;
  for (const auto& [label, counted] : traffic) {
    result[label] = {.collective = comm::name(counted.kind),
                     .calls = counted.calls,
                     .sent_bytes = counted.sent_bytes,
                     .times = {}};
  }
  std::map<std::string, std::vector<Interval>> waits;  // by lane
  for (const TimelineSpan& span : spans) {
    if (is_started(span) && !waits.contains(span.lane)) {
      waits[span.lane] = waits_for(span.lane, spans);
    }
  }
  for (const TimelineSpan& span : spans) {
    if (is_blocking(span)) result[span.name].times.blocking_s += length_s(span);
    if (is_wait(span)) result[span.name].times.waited_s += length_s(span);
    if (!is_started(span)) continue;
    const Interval ran{span.begin_s, span.end_s};
    CommTimes& times = result[span.name].times;
    times.started_s += length_s(span);
    times.awaited_s += overlap_s(ran, waits.at(span.lane));
    times.hidden_s += overlap_s(ran, gaps_between(waits.at(span.lane)));
  }
  return result;
}

namespace {

Json to_json(const CommTimes& times) {
  return {{"blocking_s", times.blocking_s},
          {"waited_s", times.waited_s},
          {"started_s", times.started_s},
          {"hidden_s", times.hidden_s},
          {"awaited_s", times.awaited_s}};
}

CommTimes comm_times_from_json(const Json& json) {
  return {.blocking_s = json.at("blocking_s"),
          .waited_s = json.at("waited_s"),
          .started_s = json.at("started_s"),
          .hidden_s = json.at("hidden_s"),
          .awaited_s = json.at("awaited_s")};
}

Json to_json(const RankBench& r) {
  Json labels = Json::object();
  for (const auto& [label, of_label] : r.comm) {
    labels[label] = {{"collective", of_label.collective},
                     {"calls", of_label.calls},
                     {"sent_bytes", of_label.sent_bytes},
                     {"times", to_json(of_label.times)}};
  }
  return {{"rank", r.rank},
          {"host", r.host},
          {"planned_bytes", r.planned_bytes},
          {"measured_bytes", r.measured_bytes},
          {"scratch_bytes", r.scratch_bytes},
          {"step_s", r.step_s},
          {"communication", to_json(total(r.comm))},
          {"by_label", labels}};
}

RankBench rank_bench_from_json(const Json& json) {
  RankBench result{.rank = json.at("rank"),
                   .host = json.at("host"),
                   .planned_bytes = json.at("planned_bytes"),
                   .measured_bytes = json.at("measured_bytes"),
                   .scratch_bytes = json.at("scratch_bytes"),
                   .step_s = json.at("step_s"),
                   .comm = {}};
  for (const auto& [label, of_label] : json.at("by_label").items()) {
    result.comm[label] = {.collective = of_label.at("collective"),
                          .calls = of_label.at("calls"),
                          .sent_bytes = of_label.at("sent_bytes"),
                          .times = comm_times_from_json(of_label.at("times"))};
  }
  return result;
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
    comm::require_equal_texts(world_, "configuration", config::to_yaml(config_));
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
    own_.scratch_bytes = ops::cpu::thread_scratch_bytes();
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

  std::vector<RankBench> gather_ranks() {
    std::vector<RankBench> all;
    for (const std::string& text : comm::gather_texts(world_.all(), to_json(own_).dump())) {
      all.push_back(rank_bench_from_json(Json::parse(text)));
    }
    return all;
  }

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
  comm::Communicators ranks_;
  int threads_;
  DType dtype_;
  MicroBatches micro_;
  RankBench own_;
  int64_t resident_before_ = 0;
  std::optional<Arena> arena_;
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
  result.ranks = run.gather_ranks();

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

namespace {

constexpr size_t kMostRanksShown = 16;  // to_json() has all

/// "  matmul    0.012 s   31.0 %"
std::string work_line(const std::string& what, double seconds, double step_s) {
  return format("  {:<22} {:8.4f} s  {:5.1f} %\n", what, seconds, 100 * seconds / step_s);
}

std::string work_text(const BenchResult& r) {
  std::string text = format("time by kind of work, one step of {:.3f} s{}:\n", r.profiled_step_s,
                            r.ranks.size() > 1 ? " on rank 0" : "");
  for (size_t k = 0; k < r.work.seconds.size(); ++k) {
    text +=
        work_line(ops::name(static_cast<ops::WorkKind>(k)), r.work.seconds[k], r.profiled_step_s);
  }
  double other_s = r.profiled_step_s - r.work.total_s();
  if (r.ranks.size() > 1) {
    const double exposed_s = total(r.own().comm).exposed_s();
    text += work_line("exposed communication", exposed_s, r.profiled_step_s);
    other_s -= exposed_s;
  }
  return text + work_line("everything else", other_s, r.profiled_step_s);
}

/// "planned 1 MiB, measured 1 MiB (+0.1 %), kernel scratch 512 B in it"
std::string memory_text(const RankBench& r) {
  return format("planned {}, measured {} ({:+.1f} %), kernel scratch {} in it",
                human_bytes(double(r.planned_bytes)), human_bytes(double(r.measured_bytes)),
                100 * (double(r.measured_bytes) / double(r.planned_bytes) - 1),
                human_bytes(double(r.scratch_bytes)));
}

const RankBench& largest(const BenchResult& r) {
  return *std::max_element(r.ranks.begin(), r.ranks.end(), [](const auto& a, const auto& b) {
    return a.measured_bytes < b.measured_bytes;
  });
}

/// A label's times summed over the ranks, its counts those of the rank that has most.
StepComm merge(const std::vector<RankBench>& ranks) {
  StepComm merged;
  for (const RankBench& rank : ranks) {
    for (const auto& [label, of_label] : rank.comm) {
      LabelComm& into = merged[label];
      into.collective = of_label.collective;
      into.calls = std::max(into.calls, of_label.calls);
      into.sent_bytes = std::max(into.sent_bytes, of_label.sent_bytes);
      into.times += of_label.times;
    }
  }
  return merged;
}

std::string label_line(const std::string& label, const LabelComm& comm, double ranks) {
  return format("  {:<22} {:<15} {:>6} {:>11} {:>9.4f} {:>9.4f} {:>9.4f}\n", label, comm.collective,
                comm.calls, human_bytes(double(comm.sent_bytes)),
                (comm.times.blocking_s + comm.times.started_s) / ranks,
                comm.times.exposed_s() / ranks, comm.times.hidden_s / ranks);
}

std::string comm_text(const BenchResult& r) {
  const auto ranks = double(r.ranks.size());
  const StepComm merged = merge(r.ranks);
  LabelComm all{.collective = "", .calls = 0, .sent_bytes = 0, .times = total(merged)};
  std::string text =
      "communication of that step in seconds, mean of the ranks; a rank that waits for a slower "
      "one "
      "is in a collective (exposed: the main lane runs it or waits for it; hidden: it does not):\n";
  text += format("  {:<22} {:<15} {:>6} {:>11} {:>9} {:>9} {:>9}\n", "label", "collective", "calls",
                 "sent/rank", "runs", "exposed", "hidden");
  for (const auto& [label, of_label] : merged) {
    text += label_line(label, of_label, ranks);
    all.calls += of_label.calls;
    all.sent_bytes += of_label.sent_bytes;
  }
  text += label_line("all", all, ranks);
  text += format("  {:<6} {:>9} {:>9} {:>9} {:>18} {:>9} {:>18}\n", "rank", "step", "blocking",
                 "waited", "exposed", "started", "hidden");
  const auto line = [](const std::string& who, double step_s, const CommTimes& t, double n) {
    return format(
        "  {:<6} {:>9.4f} {:>9.4f} {:>9.4f} {:>9.4f} {:>6.1f} % {:>9.4f} {:>9.4f} {:>6.1f} %\n",
        who, step_s / n, t.blocking_s / n, t.waited_s / n, t.exposed_s() / n,
        100 * t.exposed_s() / step_s, t.started_s / n, t.hidden_s / n, 100 * t.hidden_s / step_s);
  };
  double sum_step_s = 0;
  for (const RankBench& rank : r.ranks) {
    sum_step_s += rank.step_s;
    if (static_cast<size_t>(rank.rank) >= kMostRanksShown) continue;
    text += line(std::to_string(rank.rank), rank.step_s, total(rank.comm), 1);
  }
  if (r.ranks.size() > kMostRanksShown) {
    text += format("  ({} more in --json)\n", r.ranks.size() - kMostRanksShown);
  }
  return text + line("mean", sum_step_s, all.times, ranks);
}

/// "cpu avx512, 2 ranks (dp 2 x tp 1) of 1 threads"
std::string who_text(const BenchResult& r) {
  if (r.ranks.size() == 1) return format("{}, {} threads", r.backend, r.threads);
  return format("{}, {} ranks ({}) of {} threads", r.backend, r.ranks.size(), to_string(r.grid),
                r.threads);
}

}  // namespace

std::string to_text(const BenchResult& r) {
  const bool several = r.ranks.size() > 1;
  std::string text = format(
      "{}, {}; {}; {} micro-batches of {} x {} tokens{}\n"
      "step            {:.3f} s (median of {}; fastest {:.3f}, slowest {:.3f})\n"
      "tokens/s        {:.0f}\n"
      "executed        {:.2f} MFLOP per token, {}FLOP/s = {:.1f} % of the matmul rate\n"
      "useful (Llama)  {:.2f} MFLOP per token = {:.1f} %\n"
      "matmul rate     {}FLOP/s at this model's shapes, measured in this run{}\n"
      "memory          {}{}\n",
      who_text(r), r.precision, r.layer_types.empty() ? "plain Llama" : r.layer_types,
      r.micro_batches, r.B, r.T, r.grid.dp > 1 ? " for each copy" : "", r.median_step_s,
      r.step_s.size(), *std::min_element(r.step_s.begin(), r.step_s.end()),
      *std::max_element(r.step_s.begin(), r.step_s.end()), r.tokens_per_s,
      r.executed_flops_per_token / 1e6, human_count(r.executed_flops_per_s), 100 * r.executed_frac,
      r.useful_flops_per_token / 1e6, 100 * r.useful_frac, human_count(r.gemm_flops_per_s),
      several ? ", all ranks at once" : "", several ? "rank 0 " : "", memory_text(r.own()));
  if (several) {
    text +=
        format("                largest: rank {} {}\n", largest(r).rank, memory_text(largest(r)));
  }
  text += work_text(r);
  if (several) text += comm_text(r);
  return text;
}

std::string to_json(const BenchResult& r) {
  Json work, ranks = Json::array();
  for (size_t k = 0; k < r.work.seconds.size(); ++k) {
    work[ops::name(static_cast<ops::WorkKind>(k))] = r.work.seconds[k];
  }
  for (const RankBench& rank : r.ranks) ranks.push_back(to_json(rank));
  const Json json = {{"backend", r.backend},
                     {"dp", r.grid.dp},
                     {"tp", r.grid.tp},
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
                     {"planned_bytes", r.own().planned_bytes},
                     {"measured_bytes", r.own().measured_bytes},
                     {"largest_measured_bytes", largest(r).measured_bytes},
                     {"profiled_step_s", r.profiled_step_s},
                     {"work_s", work},
                     {"ranks", ranks}};
  return json.dump(2) + "\n";
}

}  // namespace lckv::train
