#pragma once

#include <string>
#include <utility>
#include <vector>

#include "lckv/train/run_position.h"

namespace lckv::train {

/// One line of metrics.jsonl: names and numbers in order. Integers are written as such; NaN and
/// infinities become null, so the file stays valid JSON.
using MetricsRow = std::vector<std::pair<std::string, double>>;

/// Appends to `metrics.jsonl`, one JSON object per line, each flushed when written.
class MetricsWriter {
 public:
  /// Opens or creates the file and drops what a run that continues at `start` writes again: every
  /// line of a later step, what its step was scored with when that is due, what was planned when an
  /// earlier process started there, and a torn last line. A file that ends before the last of
  /// `every_steps` steps up to `start` was cut by somebody: log_warning. Throws IoError.
  MetricsWriter(std::string path, const RunPosition& start, int64_t every_steps);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Throws IoError when the disk is full.
  void write(const MetricsRow& row);
  /// Returns when the lines so far survive a power cut. Throws IoError.
  void sync();

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace lckv::train
