#include "lckv/train/event_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <fcntl.h>
#include <isa-l/crc.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/base/write_all.h"
#include "lckv/train/event_message.h"

namespace lckv::train {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "events.out.tfevents.";

double now_s() {
  const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(since_1970).count();
}

/// Of the name behind kPrefix; 0 for other files.
int64_t seconds_in_name(const std::string& name) {
  int64_t seconds = 0;
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), seconds);
  }
  return seconds;
}

/// Now, or where files are there that were made later, by another clock or within this second, the
/// next one behind them.
int64_t seconds_for_name(const fs::path& folder) {
  auto seconds = static_cast<int64_t>(now_s());
  for (const auto& entry : fs::directory_iterator(folder)) {
    seconds = std::max(seconds, seconds_in_name(entry.path().filename().string()) + 1);
  }
  return seconds;
}

fs::path new_path(const fs::path& folder) {
  try {
    fs::create_directories(folder);
    return folder /
           format("{}{:010}.{}.{}", kPrefix, seconds_for_name(folder), host_name(), getpid());
  } catch (const fs::filesystem_error& error) {
    throw IoError(format("{}: {}", folder.string(), error.code().message()));
  }
}

/// CRC32C, turned and shifted as TFRecord has it: a checksum of what holds checksums is of use too.
uint32_t masked_crc32c(std::string_view bytes) {
  // The library takes no const pointer and reads only.
  auto* data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
  const uint32_t crc = ~crc32_iscsi(data, static_cast<int>(bytes.size()), 0xffffffffU);
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
}

template <class Word>
std::string little_endian(Word word) {
  std::string bytes;
  for (size_t i = 0; i < sizeof(word); ++i) bytes += static_cast<char>(word >> (8 * i));
  return bytes;
}

/// Length and its checksum, the bytes, their checksum.
std::string frame(std::string_view event) {
  LCKV_CHECK(event.size() < size_t{std::numeric_limits<int>::max()},
             format("an event of {} bytes", event.size()));
  const std::string length = little_endian(uint64_t{event.size()});
  std::string record = length + little_endian(masked_crc32c(length));
  record += event;
  return record + little_endian(masked_crc32c(event));
}

}  // namespace

EventFile::EventFile(const fs::path& folder, int64_t purge_from_step) : path_(new_path(folder)) {
  descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0)
    throw IoError(format("{}: cannot create: {}", path_.string(), std::strerror(errno)));
  append(version_event(now_s()));
  append(restart_event(now_s(), purge_from_step));
}

EventFile::~EventFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

void EventFile::scalar(int64_t step, std::string_view tag, double value) {
  const std::pair<std::string, double> point(tag, value);
  scalars(step, std::span(&point, 1));
}

void EventFile::scalars(int64_t step, std::span<const std::pair<std::string, double>> points) {
  append(scalars_event(now_s(), step, points));
}

void EventFile::text(int64_t step, std::string_view tag, std::string_view text) {
  append(text_event(now_s(), step, tag, text));
}

void EventFile::histogram(int64_t step, std::string_view tag, std::span<const double> values) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite),
               [](double value) { return std::isfinite(value); });
  if (!finite.empty()) append(histogram_event(now_s(), step, tag, finite));
}

void EventFile::append(std::string_view event) {
  if (write_all(descriptor_, frame(event))) return;
  throw IoError(format("{}: cannot append: {}", path_.string(), std::strerror(errno)));
}

void EventFile::sync() {
  if (fdatasync(descriptor_) == 0) return;
  throw IoError(format("{}: cannot sync: {}", path_.string(), std::strerror(errno)));
}

}  // namespace lckv::train
