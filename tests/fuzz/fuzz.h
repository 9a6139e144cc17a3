#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lckv/base/error.h"

namespace lckv::fuzz {

/// Whether `read` took its input. It may refuse it as the user's mistake (DataError, IoError,
/// ConfigError); every other exception goes on to libFuzzer, which reports it with the input.
template <class Read>
bool accepts(Read&& read) {
  try {
    read();
    return true;
  } catch (const DataError&) {
  } catch (const IoError&) {
  } catch (const ConfigError&) {
  }
  return false;
}

/// An input read from the front; what lies behind its end is zero.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }
  uint16_t word() {
    const uint16_t low = byte();
    return static_cast<uint16_t>(low | byte() << 8);
  }
  std::string rest() const { return std::string(rest_); }

 private:
  std::string_view rest_;
};

/// A law that an accepted input must keep.
inline void require(bool holds, const std::string& law) {
  if (holds) return;
  std::fprintf(stderr, "the law does not hold: %s\n", law.c_str());
  std::abort();
}

}  // namespace lckv::fuzz
