#include <algorithm>
#include <numeric>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/train/bench_checkpoint.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

struct Spread {
  double median, least, most;
  explicit Spread(const std::vector<double>& values)
      : median(train::median(values)),
        least(*std::min_element(values.begin(), values.end())),
        most(*std::max_element(values.begin(), values.end())) {}
};

/// One time of every save.
template <class F>
std::vector<double> times(const std::vector<MeasuredSave>& saves, F time) {
  std::vector<double> values(saves.size());
  std::transform(saves.begin(), saves.end(), values.begin(), time);
  return values;
}

/// "0.112 s (0.110 to 0.131)"
std::string seconds_text(const std::vector<double>& values) {
  const Spread s(values);
  return format("{:.3f} s ({:.3f} to {:.3f})", s.median, s.least, s.most);
}

std::vector<MeasuredSave> all_saves(const BenchCheckpointResult& r) {
  std::vector<MeasuredSave> saves = r.synchronous;
  saves.insert(saves.end(), r.asynchronous.begin(), r.asynchronous.end());
  return saves;
}

double stopped_s(const MeasuredSave& save) { return save.cost.lost_s(); }
double copied_s(const MeasuredSave& save) { return save.cost.copied_s; }
double waited_s(const MeasuredSave& save) { return save.cost.waited_s; }
double written_s(const MeasuredSave& save) { return save.written_s; }
double verify_s(const MeasuredSave& save) { return save.verify_s; }
double read_s(const MeasuredSave& save) { return save.read_s; }
double steps_meanwhile(const MeasuredSave& save) { return double(save.step_s.size()); }
double step_meanwhile_s(const MeasuredSave& save) { return median(save.step_s); }

}  // namespace

int64_t BenchCheckpointResult::bytes() const {
  return std::accumulate(rank_bytes.begin(), rank_bytes.end(), int64_t{0});
}

double BenchCheckpointResult::slower_s(const MeasuredSave& save) const {
  return (median(save.step_s) - median(step_s)) * double(save.step_s.size());
}

double BenchCheckpointResult::snapshot_bytes_per_s() const {
  return double(snapshot_bytes) / median(times(asynchronous, copied_s));
}

LostPerSave lost_per_save(const BenchCheckpointResult& r) {
  const auto slower_s = [&](const MeasuredSave& save) { return r.slower_s(save); };
  return {.synchronous_s = median(times(r.synchronous, stopped_s)),
          .copied_s = median(times(r.asynchronous, copied_s)),
          .waited_s = median(times(r.asynchronous, waited_s)),
          .slower_s = median(times(r.asynchronous, slower_s))};
}

namespace {

std::string state_text(const BenchCheckpointResult& r) {
  std::string text = format("state           {}", human_bytes(double(r.bytes())));
  if (r.rank_bytes.size() > 1) {
    const auto [least, most] = std::minmax_element(r.rank_bytes.begin(), r.rank_bytes.end());
    text +=
        format(", {} to {} by each rank", human_bytes(double(*least)), human_bytes(double(*most)));
  }
  return text + format("; an asynchronous save copies {} in memory{}\n",
                       human_bytes(double(r.snapshot_bytes)),
                       r.rank_bytes.size() > 1 ? " on each" : "");
}

std::string synchronous_text(const BenchCheckpointResult& r) {
  const std::vector<double> stopped = times(r.synchronous, stopped_s);
  return format("synchronous     {} stopped, {:.0f} MB/s\n", seconds_text(stopped),
                double(r.bytes()) / 1e6 / median(stopped));
}

std::string asynchronous_text(const BenchCheckpointResult& r) {
  const double step_s = median(r.step_s),
               meanwhile_s = median(times(r.asynchronous, step_meanwhile_s));
  const std::vector<double> written = times(r.asynchronous, written_s);
  return format(
      "asynchronous    {} copied, {:.2f} GB/s; a memory copy: {:.2f} GB/s\n"
      "                {} waited for the end of a save\n"
      "                {} written behind, {:.0f} MB/s\n"
      "                {:.0f} steps meanwhile, of {:.3f} s ({:+.1f} %)\n",
      seconds_text(times(r.asynchronous, copied_s)), r.snapshot_bytes_per_s() / 1e9,
      r.copy_bytes_per_s() / 1e9, seconds_text(times(r.asynchronous, waited_s)),
      seconds_text(written), double(r.bytes()) / 1e6 / median(written),
      median(times(r.asynchronous, steps_meanwhile)), meanwhile_s,
      100 * (meanwhile_s / step_s - 1));
}

std::string lost_text(const LostPerSave& lost) {
  std::string text = format(
      "lost per save   sync {:.3f} s; async {:.3f} s copied + {:.3f} s waited + {:.3f} s slower "
      "steps = {:.3f} s",
      lost.synchronous_s, lost.copied_s, lost.waited_s, lost.slower_s, lost.asynchronous_s());
  const double ratio = lost.synchronous_s / lost.asynchronous_s();
  if (ratio <= 0) return text + ": less than the noise of the steps\n";
  return text + (ratio >= 1 ? format(": {:.1f} times less\n", ratio)
                            : format(": {:.1f} times more\n", 1 / ratio));
}

std::string loading_text(const BenchCheckpointResult& r) {
  const std::vector<double> verify = times(all_saves(r), verify_s),
                            read = times(all_saves(r), read_s);
  return format(
      "loading         {} to find the newest state and check every byte, {:.2f} GB/s\n"
      "                {} to read it after that, {:.2f} GB/s\n",
      seconds_text(verify), double(r.bytes()) / 1e9 / median(verify), seconds_text(read),
      double(r.bytes()) / 1e9 / median(read));
}

}  // namespace

std::string to_text(const BenchCheckpointResult& r) {
  return format("{}; in {}\n", subject_line(r), r.folder) + state_text(r) +
         format("step            {} without saves\n", seconds_text(r.step_s)) +
         synchronous_text(r) + asynchronous_text(r) + lost_text(lost_per_save(r)) +
         loading_text(r) +
         format(
             "checked         {} states: loaded again, each tensor is bit for bit what it was at "
             "its save\n",
             all_saves(r).size());
}

namespace {

Json to_json(const MeasuredSave& save) {
  return {{"step", save.step},
          {"waited_s", save.cost.waited_s},
          {"copied_s", save.cost.copied_s},
          {"stopped_s", save.cost.lost_s()},
          {"written_s", save.written_s},
          {"step_s", save.step_s},
          {"verify_s", save.verify_s},
          {"read_s", save.read_s}};
}

Json to_json(const std::vector<MeasuredSave>& saves) {
  Json all = Json::array();
  for (const MeasuredSave& save : saves) all.push_back(to_json(save));
  return all;
}

Json to_json(const LostPerSave& lost) {
  return {{"synchronous_s", lost.synchronous_s},
          {"copied_s", lost.copied_s},
          {"waited_s", lost.waited_s},
          {"slower_s", lost.slower_s},
          {"asynchronous_s", lost.asynchronous_s()}};
}

}  // namespace

std::string to_json(const BenchCheckpointResult& r) {
  const Json json = {{"backend", r.backend},
                     {"dp", r.grid.dp},
                     {"tp", r.grid.tp},
                     {"threads", r.threads},
                     {"precision", r.precision},
                     {"layer_types", r.layer_types},
                     {"B", r.B},
                     {"T", r.T},
                     {"micro_batches", r.micro_batches},
                     {"folder", r.folder},
                     {"bytes", r.bytes()},
                     {"rank_bytes", r.rank_bytes},
                     {"snapshot_bytes", r.snapshot_bytes},
                     {"snapshot_bytes_per_s", r.snapshot_bytes_per_s()},
                     {"copy_bytes", r.copy_bytes},
                     {"copy_s", r.copy_s},
                     {"copy_bytes_per_s", r.copy_bytes_per_s()},
                     {"step_s", r.step_s},
                     {"median_step_s", median(r.step_s)},
                     {"synchronous", to_json(r.synchronous)},
                     {"asynchronous", to_json(r.asynchronous)},
                     {"lost_per_save", to_json(lost_per_save(r))}};
  return json.dump(2) + "\n";
}

}  // namespace lckv::train
