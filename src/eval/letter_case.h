#pragma once

#include <string>
#include <string_view>

namespace lckv::eval {

/// Python's str.capitalize(): the first character in title case, all others in lower case, by the
/// full mappings of Unicode 14.0 (CPython 3.11). `text` is well-formed UTF-8.
///
/// Throws DataError for a capital sigma after the first character: its lower case depends on the
/// letters around it, by tables that are not here.
std::string capitalize(std::string_view text);

}  // namespace lckv::eval
