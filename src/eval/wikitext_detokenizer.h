#pragma once

#include <string>
#include <string_view>

namespace lckv::eval {

/// A page of WikiText as people write: without the blanks around marks (spec/evaluation.md 5.3).
/// `page` is well-formed UTF-8.
std::string detokenize_wikitext(std::string_view page);

}  // namespace lckv::eval
