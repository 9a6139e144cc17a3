#include <fmt/core.h>

#include "lckv/cli/command_options.h"
#include "lckv/cli/completion.h"

namespace lckv::cli {

ExitCode run_completion(const CompletionArgs& args) {
  Command unused;
  const auto commands = completed_commands(*make_parser(unused));
  fmt::print("{}", args.shell == "bash"  ? bash_completion(commands)
                   : args.shell == "zsh" ? zsh_completion(commands)
                                         : fish_completion(commands));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
