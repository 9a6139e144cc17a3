#pragma once

#include <string>

namespace CLI {
class App;
}

namespace lckv::cli {

/// What is wrong with the command line that `parser` has just refused with `message`: the word it
/// does not know with the nearest one that it does, else `message`; and whose --help tells more.
std::string explain_refusal(const CLI::App& parser, const std::string& message);

}  // namespace lckv::cli
