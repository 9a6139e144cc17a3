#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lckv/report/sections.h"

namespace lckv::report {

/// One kind of a whole, in every run: NaN where a run has none.
struct Amounts {
  std::string label;
  std::vector<double> values;
  bool is_total = false;
};

/// A table with a bar and the share of the run's whole in every cell. Bars of all cells compare.
///
///   wholes   one per run
///   text     of a value, with its unit
std::string amounts_table(const std::string& corner, const Runs& runs,
                          const std::vector<Amounts>& rows, const std::vector<double>& wholes,
                          const std::function<std::string(double)>& text);

/// What stands between prefix and suffix in the names of any run's metrics that begin and end so:
/// "matmul" of "time/matmul_s". In the order of size, largest first, by the runs' last values.
std::vector<std::string> kinds_between(const Runs& runs, const std::string& prefix,
                                       const std::string& suffix);

/// "exposed communication" of "exposed_communication".
std::string in_words(std::string name);

}  // namespace lckv::report
