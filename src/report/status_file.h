#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lckv::report {

/// What a report shows of status.json (src/train/status_page.h is its document).
struct Status {
  std::string state, grid;
  int64_t step = 0, steps = 0;
  int64_t ranks = 0;
  int64_t skipped_updates = 0, spikes = 0;
  std::vector<std::string> messages;  // of its health
};

/// Fields that are missing, or of another type, stay as they are. Throws DataError when the text is
/// no JSON object; `place` is the name used in messages.
Status parse_status(const std::string& json, const std::string& place);

}  // namespace lckv::report
