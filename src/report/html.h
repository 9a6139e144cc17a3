#pragma once

#include <string>
#include <string_view>

namespace lckv::report {

/// `text` as HTML shows it, in elements and in quoted attributes: & < > " ' become entities,
/// control characters other than tab and line end become U+FFFD. Everything that comes from a file,
/// a folder's name or a command line goes through here.
std::string escape_html(std::string_view text);

/// `text` as a JSON string with its quotes, safe inside <script>: < > & are written as \u00XX.
std::string json_string(std::string_view text);

/// The shortest digits that read back as the same number; "null" for NaN and infinities.
std::string json_number(double value);

}  // namespace lckv::report
