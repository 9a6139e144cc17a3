#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"

// Reads event files with nothing of what writes them: frames and their checksums here, bit by bit,
// messages by protoc.

namespace lckv::test {

namespace fs = std::filesystem;

/// CRC32C by its definition: the reflected polynomial 0x1EDC6F41, one bit after the other.
inline uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

inline std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

template <class Word>
Word read_word(std::string_view bytes) {
  Word word = 0;
  for (size_t i = sizeof(Word); i-- > 0;) {
    word = static_cast<Word>(word << 8 | static_cast<uint8_t>(bytes.at(i)));
  }
  return word;
}

inline void require_checksum(std::string_view bytes, uint32_t stored) {
  const uint32_t crc = crc32c(bytes);
  const uint32_t masked = ((crc >> 15) | (crc << 17)) + 0xa282ead8U;
  if (stored == masked) return;
  throw std::runtime_error(format("checksum {:08x}, of the bytes {:08x}", stored, masked));
}

/// The records of a file of TFRecord frames. Throws std::runtime_error when it is not one.
inline std::vector<std::string> read_records(std::string_view rest) {
  std::vector<std::string> records;
  while (!rest.empty()) {
    if (rest.size() < 16) throw std::runtime_error("a torn frame");
    const auto size = read_word<uint64_t>(rest);
    require_checksum(rest.substr(0, 8), read_word<uint32_t>(rest.substr(8)));
    if (rest.size() - 16 < size) throw std::runtime_error("a torn record");
    const std::string_view record = rest.substr(12, size);
    require_checksum(record, read_word<uint32_t>(rest.substr(12 + size)));
    records.emplace_back(record);
    rest.remove_prefix(16 + size);
  }
  return records;
}

/// What protoc --decode prints for a message as JSON: each field an array of its values, numbers
/// and words as texts.
class ProtocText {
 public:
  explicit ProtocText(std::string_view text) : rest_(text) {}

  nlohmann::json message() {
    nlohmann::json fields = nlohmann::json::object();
    for (skip_blanks(); !rest_.empty() && rest_.front() != '}'; skip_blanks()) {
      const std::string name = word(":{ ");
      if (name.find_first_not_of("0123456789") == std::string::npos) {
        throw std::runtime_error("a field that events.proto does not have: " + name);
      }
      skip_blanks();
      fields[name].push_back(take(':') ? scalar() : nested());
    }
    return fields;
  }

 private:
  void skip_blanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(" \n"), rest_.size()));
  }
  bool take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::string word(std::string_view ends) {
    const std::string text(rest_.substr(0, rest_.find_first_of(ends)));
    rest_.remove_prefix(text.size());
    return text;
  }
  nlohmann::json nested() {
    if (!take('{')) throw std::runtime_error("no message");
    nlohmann::json fields = message();
    if (!take('}')) throw std::runtime_error("a message without end");
    return fields;
  }
  nlohmann::json scalar() {
    skip_blanks();
    return take('"') ? quoted() : word(" \n");
  }
  std::string quoted() {
    std::string text;
    while (!take('"')) {
      if (take('\\')) {
        text += escaped();
      } else {
        text += rest_.at(0);
        rest_.remove_prefix(1);
      }
    }
    return text;
  }
  /// \n, \", \', \\, \t, \r or three octal digits.
  char escaped() {
    const char c = rest_.at(0);
    const size_t length = c >= '0' && c <= '7' ? 3 : 1;
    const std::string code(rest_.substr(0, length));
    rest_.remove_prefix(length);
    if (length == 3) return static_cast<char>(std::stoi(code, nullptr, 8));
    return c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
  }

  std::string_view rest_;
};

/// The records as one Events message, the only field of which is repeated.
inline std::string as_one_message(const std::vector<std::string>& records) {
  std::string bytes;
  for (const std::string& record : records) {
    bytes += '\x0a';
    size_t size = record.size();
    for (; size >= 0x80; size >>= 7) bytes += static_cast<char>(size | 0x80);
    bytes += static_cast<char>(size);
    bytes += record;
  }
  return bytes;
}

inline std::string run_protoc(const fs::path& message) {
  const std::string command = format(
      "{} --decode=lckv_test.Events --proto_path={}/tests/train {}/tests/train/events.proto < {}",
      LCKV_PROTOC, LCKV_SOURCE_DIR, LCKV_SOURCE_DIR, message.string());
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string text;
  for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get()))
    text += static_cast<char>(c);
  return text;
}

/// Every event of the file: {"wall_time": ["..."], "step": ["3"], "summary": [{"value": [...]}]}.
/// Throws std::runtime_error when frames, checksums or messages are wrong.
inline std::vector<nlohmann::json> read_events(const fs::path& path) {
  const std::vector<std::string> records = read_records(bytes_of(path));
  const fs::path message = path.string() + ".message";
  std::ofstream(message, std::ios::binary) << as_one_message(records);
  const nlohmann::json all = ProtocText(run_protoc(message)).message();
  fs::remove(message);
  std::vector<nlohmann::json> events;
  if (all.contains("event")) events = all.at("event").get<std::vector<nlohmann::json>>();
  if (events.size() != records.size()) {
    throw std::runtime_error(format("{} records, {} messages", records.size(), events.size()));
  }
  return events;
}

/// The event files of a folder in the order in which TensorBoard reads them.
inline std::vector<fs::path> event_files(const fs::path& folder) {
  std::vector<fs::path> paths;
  if (!fs::exists(folder)) return paths;
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// What TensorBoard shows of a folder: values by tag and step, a later one instead of an earlier.
/// SessionLog START drops what was told of its step and later ones.
inline std::map<std::string, std::map<int64_t, nlohmann::json>> shown_values(
    const fs::path& folder) {
  std::map<std::string, std::map<int64_t, nlohmann::json>> shown;
  for (const fs::path& path : event_files(folder)) {
    for (const nlohmann::json& event : read_events(path)) {
      const int64_t step =
          event.contains("step") ? std::stoll(event["step"][0].get<std::string>()) : 0;
      if (event.contains("session_log")) {
        for (auto& [tag, points] : shown) points.erase(points.lower_bound(step), points.end());
      }
      if (!event.contains("summary")) continue;
      for (const nlohmann::json& value : event["summary"][0]["value"]) {
        shown[value["tag"][0]][step] = value;
      }
    }
  }
  return shown;
}

}  // namespace lckv::test
