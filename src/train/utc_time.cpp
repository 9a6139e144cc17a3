#include "lckv/train/utc_time.h"

#include <array>
#include <ctime>

#include "lckv/base/text.h"

namespace lckv::train {

std::string utc_text(std::chrono::system_clock::time_point time) {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(ms / 1000);
  std::tm utc = {};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &utc);
  return format("{}.{:03}Z", text.data(), ms % 1000);
}

}  // namespace lckv::train
