#include "lckv/report/run_files.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/load.h"

namespace lckv::report {

namespace {

namespace fs = std::filesystem;

IoError cannot_read(const fs::path& path, const std::string& why) {
  return IoError(format("{}: cannot be read: {}", path.string(), why));
}

bool is_there(const fs::path& path) {
  std::error_code error;
  const bool is_there = fs::exists(path, error);
  if (error) throw cannot_read(path, error.message());
  return is_there;
}

std::string read_text(const fs::path& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file && file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad() || text.bad()) throw cannot_read(path, std::strerror(errno));
  return text.str();
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

void read_config(RunFiles& run, const fs::path& path) {
  const std::string yaml = read_text(path);
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
  run.has_events = is_there(events);
  const bool has_config = is_there(config), has_status = is_there(status);
  if (!run.has_metrics && !run.has_events && !has_config && !has_status) {
    throw DataError(
        format("{}: holds none of metrics.jsonl, events.jsonl, config.yaml and "
               "status.json: it is not the folder of a run",
               folder.string()));
  }
  if (run.has_metrics) run.metrics = read_metrics(metrics.string());
  if (run.has_events) run.events = read_events(events.string());
  if (has_config) read_config(run, config);
  if (has_status) run.status = parse_status(read_text(status), status.string());
  return run;
}

}  // namespace lckv::report
