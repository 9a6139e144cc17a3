#pragma once

#include <string>
#include <string_view>

namespace lckv::eval {

/// HellaSwag's text without the marks of its WikiHow part (spec/evaluation.md 1.4): white space at
/// both ends goes first, then " [title]" becomes ". ", "[...]" nothing, and two blanks one. May end
/// with a blank. `text` is well-formed UTF-8.
std::string hellaswag_text(std::string_view text);

/// What an ending of HellaSwag continues.
std::string hellaswag_query(std::string_view activity_label, std::string_view ctx_a,
                            std::string_view ctx_b);

}  // namespace lckv::eval
