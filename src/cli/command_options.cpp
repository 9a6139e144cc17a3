#include "lckv/cli/command_options.h"

namespace lckv::cli {

Command polling(Command command) {
  command.stop_signals = StopSignals::kPolled;
  return command;
}

void add_examples(CLI::App& command, const std::vector<Example>& examples,
                  const std::string& exit_codes) {
  std::string text = "Examples:\n";
  for (const Example& example : examples) {
    text += format("  {}\n      {}\n", example.line, example.meaning);
  }
  if (!exit_codes.empty()) text += "\nExit codes: " + exit_codes;
  while (text.ends_with('\n')) text.pop_back();
  command.footer(text);
}

void add_run_file(CLI::App& command, RunFileArgs& args) {
  command.add_option("config", args.config, "Run file (YAML)")->required();
  command.add_option("--set", args.overrides, "Override one key: train.steps=100 (repeatable)")
      ->allow_extra_args(false);
}

void add_stall_timeout(CLI::App& command, double& stall_timeout_s) {
  command
      .add_option(
          "--stall-timeout", stall_timeout_s,
          "Under mpirun: seconds that ranks wait for one that gives no sign of life, before "
          "all end and it is named; 0: for ever")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

}  // namespace lckv::cli
