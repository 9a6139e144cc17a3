#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace lckv {

/// std::format of C++20, which g++ 12 lacks. Not for .cu files (fmt 9 does not compile there).
using fmt::format;

/// "1 234 567": digits in groups of three.
std::string with_thousands(int64_t value);

/// Bytes with a binary unit: "512 B", "1.50 GiB".
std::string human_bytes(double bytes);

/// A count with a decimal unit: "50.3 M", "1.20 G".
std::string human_count(double count);

/// "4 s", "2 min 03 s", "1 h 02 min".
std::string human_duration(double seconds);

/// The entry of `candidates` with the smallest edit distance to `word`, or "" when none is near
/// enough (distance above a third of the longer word, at least 2).
std::string nearest_word(std::string_view word, const std::vector<std::string>& candidates);

/// `text` cut at every `separator`, empty pieces included; "" gives one empty piece.
std::vector<std::string> split(std::string_view text, char separator);

}  // namespace lckv
