#pragma once

#include <map>
#include <string>

#include "lckv/report/series.h"

namespace lckv::report {

/// What a metrics.jsonl holds: one series over steps per name.
struct Metrics {
  std::map<std::string, Series> series;  // without "step"
  int64_t rows = 0;
  bool torn_end = false;  // the last line had no end yet: a run that is writing, or was cut off

  /// An empty series when the name never occurs.
  const Series& get(const std::string& name) const;
  bool has(const std::string& name) const { return !get(name).empty(); }
};

/// Reads the file line by line. Every line is one JSON object of numbers and nulls with a "step";
/// empty lines are skipped. A last line without line end that is no whole object is left out and
/// noted. Throws DataError naming file and line of what else is wrong, the first few of them at
/// once; IoError when the file cannot be read.
Metrics read_metrics(const std::string& path);

}  // namespace lckv::report
