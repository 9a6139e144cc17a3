#include "lckv/train/metrics.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/base/write_all.h"
#include "lckv/checkpoint/atomic_file.h"

namespace lckv::train {

namespace {

/// Whether the line tells a validation or scores on tasks.
bool is_of_evaluation(const nlohmann::json& row) {
  if (row.contains("validation_loss")) return true;
  for (const auto& entry : row.items()) {
    if (entry.key().starts_with("eval/")) return true;
  }
  return false;
}

/// Whether the line is one that every process writes when it starts.
bool is_of_start(const nlohmann::json& row) { return row.contains("memory/planned_bytes"); }

/// Whether a run that continues at `start` will not write the line.
bool stays(const nlohmann::json& row, const RunPosition& start) {
  if (!row.is_object() || !row.contains("step") || !row["step"].is_number()) return false;
  const double step = row["step"], last = static_cast<double>(start.step);
  const bool is_due = start.validation_due && is_of_evaluation(row);
  return step < last || (step == last && !is_due && !is_of_start(row));
}

/// The lines to keep: whole JSON objects.
std::string kept_lines(const std::string& path, const RunPosition& start, int64_t every_steps) {
  std::ifstream file(path);
  if (!file && std::filesystem::exists(path)) {
    throw IoError(format("{}: cannot read: {}", path, std::strerror(errno)));
  }
  std::string line, kept;
  int64_t dropped = 0, last_step = 0;
  while (std::getline(file, line)) {
    if (file.eof()) break;  // no line end: torn by a crash
    const auto row = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (stays(row, start)) {
      kept += line + "\n";
      last_step = std::max(last_step, row["step"].get<int64_t>());
    } else if (!is_of_start(row)) {
      ++dropped;
    }
  }
  if (file.bad()) throw IoError(format("{}: reading failed: {}", path, std::strerror(errno)));
  if (start.step == 0 && dropped > 0) {
    log_warning(
        format("{}: there is no saved state, the run starts anew: {} lines of an earlier "
               "start are dropped",
               path, dropped));
  }
  if (last_step < start.step / every_steps * every_steps) {
    log_warning(
        format("{}: ends at step {}, the state of step {} is continued: what lies between "
               "was cut off and is missing",
               path, last_step, start.step));
  }
  return kept;
}

nlohmann::ordered_json to_json(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 0x1p53) return static_cast<int64_t>(value);
  return value;
}

}  // namespace

MetricsWriter::MetricsWriter(std::string path, const RunPosition& start, int64_t every_steps)
    : path_(std::move(path)) {
  checkpoint::write_file_atomically(path_, kept_lines(path_, start, every_steps));
  descriptor_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) throw IoError(format("{}: cannot open: {}", path_, std::strerror(errno)));
}

MetricsWriter::~MetricsWriter() {
  if (descriptor_ >= 0) close(descriptor_);
}

void MetricsWriter::sync() {
  if (fdatasync(descriptor_) == 0) return;
  throw IoError(format("{}: cannot sync: {}", path_, std::strerror(errno)));
}

void MetricsWriter::write(const MetricsRow& row) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : row) object[name] = to_json(value);
  const std::string line = object.dump() + "\n";
  if (write_all(descriptor_, line)) return;
  throw IoError(format("{}: cannot append a line: {}", path_, std::strerror(errno)));
}

}  // namespace lckv::train
