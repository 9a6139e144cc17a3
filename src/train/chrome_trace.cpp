#include "lckv/train/chrome_trace.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const RankTimeline& timeline) {
  Json spans = Json::array();
  for (const TimelineSpan& span : timeline.spans) {
    spans.push_back({span.name, span.category, span.lane, span.begin_s, span.end_s});
  }
  return {{"rank", timeline.rank},
          {"host", timeline.host},
          {"begin_s", timeline.begin_s},
          {"end_s", timeline.end_s},
          {"spans", spans}};
}

RankTimeline from_json(const Json& json) {
  RankTimeline timeline{.rank = json.at("rank"),
                        .host = json.at("host"),
                        .begin_s = json.at("begin_s"),
                        .end_s = json.at("end_s"),
                        .spans = {}};
  for (const Json& span : json.at("spans")) {
    timeline.spans.push_back({.name = span.at(0),
                              .category = span.at(1),
                              .lane = span.at(2),
                              .begin_s = span.at(3),
                              .end_s = span.at(4)});
  }
  return timeline;
}

/// Whole nanoseconds as microseconds: begins and ends stay in their order.
int64_t whole_ns(double seconds) { return std::llround(seconds * 1e9); }
double microseconds(int64_t ns) { return static_cast<double>(ns) / 1e3; }

Json metadata(const char* what, int pid, int tid, const Json& args) {
  return {{"name", what}, {"ph", "M"}, {"pid", pid}, {"tid", tid}, {"args", args}};
}

/// Numbers of a rank's lanes: "main" first.
std::map<std::string, int> number_lanes(const std::vector<TimelineSpan>& spans) {
  std::map<std::string, int> lanes = {{"main", 0}};
  for (const TimelineSpan& span : spans) {
    lanes.emplace(span.lane, static_cast<int>(lanes.size()));
  }
  return lanes;
}

void add_events(const RankTimeline& timeline, double zero_s, Json& events) {
  const int pid = timeline.rank;
  events.push_back(metadata("process_name", pid, 0,
                            {{"name", format("rank {} ({})", timeline.rank, timeline.host)}}));
  events.push_back(metadata("process_sort_index", pid, 0, {{"sort_index", pid}}));
  const std::map<std::string, int> lanes = number_lanes(timeline.spans);
  for (const auto& [lane, tid] : lanes) {
    events.push_back(metadata("thread_name", pid, tid, {{"name", lane}}));
    events.push_back(metadata("thread_sort_index", pid, tid, {{"sort_index", tid}}));
  }
  for (const TimelineSpan& span : timeline.spans) {
    const int64_t begin_ns = whole_ns(span.begin_s - zero_s);
    const int64_t end_ns = whole_ns(span.end_s - zero_s);
    events.push_back({{"name", span.name},
                      {"cat", span.category},
                      {"ph", "X"},
                      {"ts", microseconds(begin_ns)},
                      {"dur", microseconds(end_ns - begin_ns)},
                      {"pid", pid},
                      {"tid", lanes.at(span.lane)}});
  }
}

}  // namespace

std::vector<RankTimeline> gather_timelines(comm::Communicator& group, const RankTimeline& own) {
  const std::vector<std::string> texts = comm::gather_texts(group, to_json(own).dump());
  std::vector<RankTimeline> timelines;
  if (group.rank() != 0) return timelines;
  for (const std::string& text : texts) timelines.push_back(from_json(Json::parse(text)));
  return timelines;
}

std::string to_chrome_trace(const std::vector<RankTimeline>& timelines) {
  std::map<std::string, double> zero_s;  // by host
  for (const RankTimeline& timeline : timelines) {
    const auto [place, is_new] = zero_s.emplace(timeline.host, timeline.begin_s);
    if (!is_new) place->second = std::min(place->second, timeline.begin_s);
  }
  Json events = Json::array();
  for (const RankTimeline& timeline : timelines) {
    add_events(timeline, zero_s.at(timeline.host), events);
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump() + "\n";
}

}  // namespace lckv::train
