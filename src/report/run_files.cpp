#include "lckv/report/run_files.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/config/text_file.h"

namespace lckv::report {

namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  const bool exists = fs::exists(path, error);
  if (error) throw IoError(format("{}: cannot be read: {}", path.string(), error.message()));
  return exists;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void read_config(RunFiles& run, const fs::path& path) {
  const std::string yaml = config::read_text_file(path.string());
  run.config_texts = config_texts(yaml, path.string());
  try {
    run.config = config::parse_run(yaml, path.string());
  } catch (const ConfigError& error) {
    run.config_mistake = first_line(error.what());
  }
}

void require_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error)) return;
  throw IoError(format("{}: {}; give the folder of a run, where its metrics.jsonl is",
                       folder.string(),
                       fs::exists(folder, error) ? "is not a folder" : "there is no such folder"));
}

}  // namespace

RunFiles read_run(const fs::path& folder) {
  require_folder(folder);
  RunFiles run;
  run.folder = folder.string();
  const fs::path metrics = folder / "metrics.jsonl", events = folder / "events.jsonl";
  const fs::path config = folder / "config.yaml", status = folder / "status.json";
  run.has_metrics = is_there(metrics);
  const bool has_events = is_there(events), has_config = is_there(config);
  const bool has_status = is_there(status);
  if (!run.has_metrics && !has_events && !has_config && !has_status) {
    throw DataError(
        format("{}: holds none of metrics.jsonl, events.jsonl, config.yaml and "
               "status.json: it is not the folder of a run",
               folder.string()));
  }
  if (run.has_metrics) run.metrics = read_metrics(metrics.string());
  if (has_events) run.events = read_events(events.string());
  if (has_config) read_config(run, config);
  if (has_status)
    run.status = parse_status(config::read_text_file(status.string()), status.string());
  return run;
}

}  // namespace lckv::report
