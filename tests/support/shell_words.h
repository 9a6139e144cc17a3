#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lckv::test {

/// A command's words as a shell would split them, quotes removed, up to a redirection, a pipe or a
/// semicolon.
std::vector<std::string> words_of(std::string_view command);

}  // namespace lckv::test
