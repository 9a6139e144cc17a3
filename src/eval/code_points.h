#pragma once

#include <cstddef>
#include <string_view>

namespace lckv::eval {

// White space is what Python's str.isspace() says of one character. All texts are well-formed
// UTF-8.

/// Characters of a text.
size_t count_code_points(std::string_view text);

/// Bytes of the white space at the end.
size_t trailing_whitespace_bytes(std::string_view text);

/// Bytes of the white space at the start.
size_t leading_whitespace_bytes(std::string_view text);

/// Without the white space at the start, at the end, at both.
std::string_view strip_left(std::string_view text);
std::string_view strip_right(std::string_view text);
std::string_view strip(std::string_view text);

/// Pieces of a text that is cut at every run of white space, empty ones at its ends included:
/// len(re.split(r"\s+", text)).
size_t count_words(std::string_view text);

}  // namespace lckv::eval
