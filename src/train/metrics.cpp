#include "lckv/train/metrics.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"

namespace lckv::train {

namespace {

/// The lines to keep: whole JSON objects up to last_step.
std::string kept_lines(const std::string& path, long last_step) {
  std::ifstream file(path);
  if (!file && std::filesystem::exists(path)) {
    throw IoError(format("{}: cannot read: {}", path, std::strerror(errno)));
  }
  std::string line, kept;
  while (std::getline(file, line)) {
    if (file.eof()) break;  // no line end: torn by a crash
    const auto row = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object() || !row.contains("step") || !row["step"].is_number()) continue;
    if (row["step"].get<double>() <= static_cast<double>(last_step)) kept += line + "\n";
  }
  if (file.bad()) throw IoError(format("{}: reading failed: {}", path, std::strerror(errno)));
  return kept;
}

nlohmann::ordered_json to_json(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::floor(value) && std::abs(value) < 0x1p53) return static_cast<int64_t>(value);
  return value;
}

}  // namespace

MetricsWriter::MetricsWriter(std::string path, long last_step) : path_(std::move(path)) {
  checkpoint::write_file_atomically(path_, kept_lines(path_, last_step));
  descriptor_ = open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor_ < 0) throw IoError(format("{}: cannot open: {}", path_, std::strerror(errno)));
}

MetricsWriter::~MetricsWriter() {
  if (descriptor_ >= 0) close(descriptor_);
}

void MetricsWriter::write(const MetricsRow& row) {
  nlohmann::ordered_json object;
  for (const auto& [name, value] : row) object[name] = to_json(value);
  const std::string line = object.dump() + "\n";
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = ::write(descriptor_, line.data() + done, line.size() - done);
    if (written < 0) {
      throw IoError(format("{}: cannot append a line: {}", path_, std::strerror(errno)));
    }
    done += static_cast<size_t>(written);
  }
}

}  // namespace lckv::train
