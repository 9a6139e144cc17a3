#include "lckv/train/repeated_runs.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lckv/base/clock.h"
#include "lckv/train/bench_run.h"

namespace lckv::train {

namespace {

constexpr double kShortestSample_s = 200e-6;
constexpr int64_t kMostRuns = 1000;  // of a sample
constexpr size_t kFewestSamples = 5, kMostSamples = 10'000;

}  // namespace

RepeatedRuns::RepeatedRuns(Stream& stream, int64_t sets, std::function<void(Stream&, int64_t)> run)
    : stream_(stream),
      sets_(sets),
      run_(std::move(run)),
      begin_(stream.device()),
      end_(stream.device()) {}

void RepeatedRuns::run(int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    run_(stream_, next_set_);
    next_set_ = (next_set_ + 1) % sets_;
  }
}

double RepeatedRuns::seconds_of(int64_t count) {
  const Stopwatch watch;
  run(count);
  stream_.synchronize();
  return watch.elapsed_s();
}

/// A graph has every set equally often: it begins with the same one each time.
void RepeatedRuns::choose_runs() {
  const bool is_gpu = stream_.device().kind == DeviceKind::kCuda;
  const int64_t unit = is_gpu ? sets_ : 1;
  const double unit_s = std::max(seconds_of(unit), 1e-9);
  const auto units = static_cast<int64_t>(std::ceil(kShortestSample_s / unit_s));
  runs_ = unit * std::clamp<int64_t>(units, 1, std::max<int64_t>(1, kMostRuns / unit));
  if (!is_gpu) return;
  next_set_ = 0;
  graph_ = Graph::record(stream_, [&] { run(runs_); });
}

double RepeatedRuns::sample_s() {
  if (!graph_) return seconds_of(runs_);
  begin_.record(stream_);
  graph_.launch(stream_);
  end_.record(stream_);
  end_.synchronize();
  return Event::elapsed_ms(begin_, end_) / 1e3;
}

RunTimes RepeatedRuns::measure(double budget_s) {
  seconds_of(sets_);  // loads code, takes scratch, touches memory
  choose_runs();
  sample_s();  // the first launch of a graph prepares it
  std::vector<double> seconds;
  const Stopwatch watch;
  while (seconds.size() < kFewestSamples ||
         (watch.elapsed_s() < budget_s && seconds.size() < kMostSamples)) {
    seconds.push_back(sample_s() / double(runs_));
  }
  return {.runs = runs_ * std::ssize(seconds),
          .median_s = median(seconds),
          .min_s = *std::min_element(seconds.begin(), seconds.end())};
}

}  // namespace lckv::train
