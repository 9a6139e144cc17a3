#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lckv::train {

/// One line of metrics.jsonl: names and numbers in order. Integers are written as such; NaN and
/// infinities become null, so the file stays valid JSON.
using MetricsRow = std::vector<std::pair<std::string, double>>;

/// Appends to `metrics.jsonl`, one JSON object per line, each flushed when written.
class MetricsWriter {
 public:
  /// Opens or creates the file and drops every line whose "step" is above `last_step`, and a torn
  /// last line: a run that continues from a saved state writes them again. Throws IoError.
  MetricsWriter(std::string path, long last_step);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Throws IoError when the disk is full.
  void write(const MetricsRow& row);

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace lckv::train
