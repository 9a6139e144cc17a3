#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lckv::report {

/// One line of events.jsonl.
struct Event {
  int64_t step = 0;
  std::string time;  // as written: ISO 8601, UTC
  std::string kind;  // "spike", "skipped", "saved", ...
  std::string message;
};

/// Reads the file as read_json_lines() does; a missing step, time or message is 0 or "", a missing
/// kind is a mistake.
std::vector<Event> read_events(const std::string& path);

}  // namespace lckv::report
