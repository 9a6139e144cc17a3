#pragma once

#include <string>
#include <vector>

#include "lckv/report/sections.h"

namespace lckv::report {

struct ReportOptions {
  Across across = Across::kSteps;
  std::string title;  // "": the runs' names
};

/// Reads the runs in these folders, at least one, and labels them. Throws as read_run() does.
Runs read_runs(const std::vector<std::string>& folders);

/// One HTML page that needs nothing else: no network, no other file, no foreign code. Everything
/// that comes from the runs' files is escaped. `made_at` is shown as it is.
std::string page_html(const Runs& runs, const ReportOptions& options, const std::string& made_at);

}  // namespace lckv::report
