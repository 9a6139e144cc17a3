#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lckv::eval {

/// Every `find` becomes `put`, in one pass from the left without overlap.
void replace_all(std::string& text, std::string_view find, std::string_view put);

/// "a, b, c".
std::string listed(const std::vector<std::string>& texts);

}  // namespace lckv::eval
