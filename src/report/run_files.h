#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "lckv/config/run.h"
#include "lckv/report/config_texts.h"
#include "lckv/report/event_log.h"
#include "lckv/report/metrics_file.h"
#include "lckv/report/status_file.h"

namespace lckv::report {

/// What a run left in its folder. A file that is not there leaves its member empty.
struct RunFiles {
  std::string label;   // distinct among the runs of a report
  std::string folder;  // as it was given
  Metrics metrics;
  std::vector<Event> events;
  std::optional<Status> status;
  ConfigTexts config_texts;
  std::optional<config::RunConfig> config;
  std::string config_mistake;  // why config.yaml is not what this program trains: first line
  bool has_metrics = false;    // the file is there
};

/// Reads metrics.jsonl, events.jsonl, config.yaml and status.json of one run. Throws IoError when
/// there is no such folder, or a file cannot be read; DataError when none of the files is in it, or
/// one is broken, with file and line. The label is left to run_labels().
RunFiles read_run(const std::filesystem::path& folder);

/// The folders' names; before equal names stands the folder above that tells them apart ("a/run",
/// and "a/.../run" where it is further up); behind a folder that is given twice stands " (2)".
std::vector<std::string> run_labels(const std::vector<std::string>& folders);

}  // namespace lckv::report
