#pragma once

#include <functional>
#include <optional>
#include <string>

namespace lckv::report {

/// Hands every line that is not empty to `take`, which returns what is wrong with it, or nothing.
/// Returns whether the last line was torn: it has no line end and `take` refused it. Throws
/// DataError naming file and line of every other refused line, the first five of them and their
/// number; IoError when the file cannot be read.
bool read_json_lines(const std::string& path,
                     const std::function<std::optional<std::string>(const std::string&)>& take);

/// "is not valid JSON (character 17)"
std::string not_json(size_t position);

}  // namespace lckv::report
