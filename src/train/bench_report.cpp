#include <algorithm>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/bench.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

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

const char* where_measured(const StepComm& comm) {
  return is_measured_on_device(comm) ? "on the device" : "on the host";
}

Json to_json(const RankBench& r) {
  Json labels = Json::object();
  for (const auto& [label, of_label] : r.comm) {
    labels[label] = {{"collective", of_label.collective},
                     {"calls", of_label.calls},
                     {"sent_bytes", of_label.sent_bytes},
                     {"on_device", of_label.on_device},
                     {"times", to_json(of_label.times)}};
  }
  return {{"rank", r.rank},
          {"host", r.host},
          {"planned_bytes", r.planned_bytes},
          {"planned_scratch_bytes", r.planned_scratch_bytes},
          {"measured_bytes", r.measured_bytes},
          {"scratch_bytes", r.scratch_bytes},
          {"step_s", r.step_s},
          {"communication", to_json(total(r.comm))},
          {"exposed_communication_s", total(r.comm).exposed_s()},
          {"communication_measured", where_measured(r.comm)},
          {"by_label", labels}};
}

RankBench rank_bench_from_json(const Json& json) {
  RankBench result{.rank = json.at("rank"),
                   .host = json.at("host"),
                   .planned_bytes = json.at("planned_bytes"),
                   .planned_scratch_bytes = json.at("planned_scratch_bytes"),
                   .measured_bytes = json.at("measured_bytes"),
                   .scratch_bytes = json.at("scratch_bytes"),
                   .step_s = json.at("step_s"),
                   .comm = {}};
  for (const auto& [label, of_label] : json.at("by_label").items()) {
    result.comm[label] = {.collective = of_label.at("collective"),
                          .calls = of_label.at("calls"),
                          .sent_bytes = of_label.at("sent_bytes"),
                          .on_device = of_label.at("on_device"),
                          .times = comm_times_from_json(of_label.at("times"))};
  }
  return result;
}

}  // namespace

std::vector<RankBench> gather_ranks(comm::Communicator& all, const RankBench& own) {
  std::vector<RankBench> ranks;
  for (const std::string& text : comm::gather_texts(all, to_json(own).dump())) {
    ranks.push_back(rank_bench_from_json(Json::parse(text)));
  }
  return ranks;
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
    if (is_measured_on_device(r.own().comm))
      text.insert(text.size() - 1, "  measured on the device");
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
      into.on_device = into.on_device || of_label.on_device;
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
  LabelComm all{
      .collective = "", .calls = 0, .sent_bytes = 0, .on_device = false, .times = total(merged)};
  const bool on_device = is_measured_on_device(merged);
  std::string text = format(
      "communication of that step in seconds, mean of the ranks, measured {}; a rank that waits "
      "for a slower one is in a collective (exposed: {}; hidden: it does not):\n",
      where_measured(merged),
      on_device ? "the GPU's queue of computations stands still for it"
                : "the main lane runs it or waits for it");
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

}  // namespace

std::string to_text(const BenchResult& r) {
  const bool several = r.ranks.size() > 1;
  std::string text = format(
      "{}\n"
      "step            {:.3f} s (median of {}; fastest {:.3f}, slowest {:.3f})\n"
      "tokens/s        {:.0f}\n"
      "executed        {:.2f} MFLOP per token, {}FLOP/s = {:.1f} % of the matmul rate\n"
      "useful (Llama)  {:.2f} MFLOP per token = {:.1f} %\n"
      "matmul rate     {}FLOP/s at this model's shapes, measured in this run{}\n"
      "memory          {}{}\n",
      subject_line(r), r.median_step_s, r.step_s.size(),
      *std::min_element(r.step_s.begin(), r.step_s.end()),
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
