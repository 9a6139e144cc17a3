#include "lckv/cli/command_options.h"

namespace lckv::cli {

void add_inspect(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<InspectArgs>();
  CLI::App* command =
      app.add_subcommand("inspect", "Facts, first tokens and checksums of a token store");
  command->group(kDataCommands);
  command->add_option("store", args->path, "Token store (.h5)")->required();
  command->add_flag("!--no-verify", args->verify, "Do not read everything to compare checksums");
  command->add_option("--show", args->show_tokens, "First tokens to print")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_examples(
      *command,
      {{"lckv inspect train.h5", "facts, the first 40 tokens, and whether every byte is right"},
       {"lckv inspect train.h5 --no-verify --show 200", "more tokens, without reading everything"}},
      "4 a checksum differs, or it is no token store.");
  command->callback([args, &chosen] { chosen = polling(alone("inspect", args, run_inspect)); });
}

}  // namespace lckv::cli
