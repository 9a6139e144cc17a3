#pragma once

#include <functional>
#include <optional>

#include "lckv/tensor/graph.h"
#include "lckv/tensor/stream.h"

namespace lckv::train {

struct RunTimes {
  int64_t runs = 0;
  double median_s = 0, min_s = 0;  // of one
};

/// Times short work by running it many times. A sample is long enough for the clock: on a GPU
/// several runs recorded as a graph, between two events, so that the host's time to queue them is
/// not in it; on a CPU one run, or several where one is short.
class RepeatedRuns {
 public:
  /// `run(stream, set)` works on one of `sets` sets of operands; it must be able to be recorded
  /// once it has run.
  RepeatedRuns(Stream& stream, int64_t sets, std::function<void(Stream&, int64_t)> run);

  /// Of samples taken for about `budget_s`, five at least.
  RunTimes measure(double budget_s);

 private:
  void run(int64_t count);
  double seconds_of(int64_t count);
  void choose_runs();
  double sample_s();

  Stream& stream_;
  const int64_t sets_;
  const std::function<void(Stream&, int64_t)> run_;
  int64_t next_set_ = 0;
  int64_t runs_ = 1;  // of a sample
  Event begin_, end_;
  Graph graph_;
};

}  // namespace lckv::train
