#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lckv::cli {

inline constexpr size_t kHelpColumns = 92;

/// What --help of a command prints, in lines of kHelpColumns at most (a name or an example that is
/// longer stands in a line of its own). `name` is how it is called, "lckv bench ops".
std::string help_text(const CLI::App& command, const std::string& name);

/// The fixed values of an option (CLI::IsMember); none: any value.
std::vector<std::string> values_of(const CLI::Option& option);

/// Whether something follows the option's name.
bool takes_value(const CLI::Option& option);

}  // namespace lckv::cli
