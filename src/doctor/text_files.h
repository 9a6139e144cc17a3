#pragma once

#include <functional>
#include <string>

namespace lckv::doctor {

/// Reads a small file of /proc or /sys; "" where it cannot be read. Tests hand in samples.
using ReadFile = std::function<std::string(const std::string& path)>;

/// From this machine.
std::string read_text_file(const std::string& path);

/// What follows the first `separator` in the first line that begins with `key`, without blanks at
/// its ends: of "MemTotal:  1024 kB" and "MemTotal" it is "1024 kB". "" where there is no such
/// line.
std::string field_of(const std::string& text, const std::string& key, char separator = ':');

}  // namespace lckv::doctor
