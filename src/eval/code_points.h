#pragma once

#include <cstddef>
#include <string_view>

namespace lckv::eval {

/// Characters of well-formed UTF-8.
size_t count_code_points(std::string_view text);

/// Bytes of the white space at the end of well-formed UTF-8: the characters that Python's
/// str.rstrip() takes away.
size_t trailing_whitespace_bytes(std::string_view text);

}  // namespace lckv::eval
