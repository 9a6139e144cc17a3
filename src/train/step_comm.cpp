#include "lckv/train/step_comm.h"

#include <algorithm>
#include <limits>
#include <set>

namespace lckv::train {

namespace {

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

CommTimes comm_times(const comm::DeviceTimes& times) {
  return {.blocking_s = times.blocking_s,
          .waited_s = times.waited_s,
          .started_s = times.started_s,
          .hidden_s = times.started_s - times.awaited_s,
          .awaited_s = times.awaited_s};
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

bool is_measured_on_device(const StepComm& comm) {
  return std::any_of(comm.begin(), comm.end(),
                     [](const auto& of_label) { return of_label.second.on_device; });
}

StepComm measure_comm(const std::vector<TimelineSpan>& all_spans,
                      const std::map<std::string, comm::Traffic>& traffic,
                      const std::map<std::string, comm::DeviceTimes>& on_device) {
  std::vector<TimelineSpan> spans = all_spans;
  std::erase_if(spans, [&](const TimelineSpan& span) { return on_device.contains(span.name); });
  StepComm result;
  for (const auto& [label, counted] : traffic) {
    result[label] = {.collective = comm::name(counted.kind),
                     .calls = counted.calls,
                     .sent_bytes = counted.sent_bytes,
                     .on_device = false,
                     .times = {}};
  }
  for (const auto& [label, times] : on_device) {
    result[label].on_device = true;
    result[label].times = comm_times(times);
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

}  // namespace lckv::train
