#include "lckv/cli/command_options.h"

namespace lckv::cli {

void add_completion(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<CompletionArgs>();
  CLI::App* command = app.add_subcommand("completion", "Script that completes lckv in a shell");
  command->group(kMachineCommands);
  command->add_option("shell", args->shell, "Which")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  add_examples(*command, {{"lckv completion bash > ~/.local/share/bash-completion/completions/lckv",
                           "bash, from the next start on"},
                          {"lckv completion zsh > \"${fpath[1]}/_lckv\"", "zsh"},
                          {"lckv completion fish > ~/.config/fish/completions/lckv.fish", "fish"}});
  command->callback([args, &chosen] { chosen = alone("completion", args, run_completion); });
}

}  // namespace lckv::cli
