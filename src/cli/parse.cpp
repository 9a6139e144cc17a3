#include "lckv/cli/parse.h"

#include <cmath>
#include <cstdio>
#include <sstream>

#include "lckv/base/version.h"
#include "lckv/cli/command_line_error.h"
#include "lckv/cli/command_options.h"
#include "lckv/cli/help_text.h"

namespace lckv::cli {

namespace {

const char* const kFooter =
    "Where to begin: launch/quickstart.sh does all of this for a small model. By hand, each "
    "command's --help has examples:\n"
    "  lckv tokenize books/ -o train.h5 --tokenizer bytes\n"
    "  lckv plan configs/quickstart.yaml\n"
    "  lckv train configs/quickstart.yaml\n"
    "  lckv generate runs/quickstart --prompt 'Once upon a time'\n"
    "\nExit codes: 0 done, 1 a check did not hold, 2 command line, 3 configuration, 4 data, 5 file "
    "system, 6 device, 7 communication, 8 training diverged, 70 bug, 75 stopped by a signal after "
    "saving (start again to continue), 130 interrupted.";

/// --help and --version: rank 0 prints, nothing else happens.
Command print(const std::string& text) {
  return {"--help or --version", [text](comm::World& world) {
            if (world.rank() == 0) std::fputs(text.c_str(), stdout);
            return ExitCode::kOk;
          }};
}

/// What CLI11 takes for a number, and for one within every range.
void refuse_nan(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0 || !option->get_type_name().starts_with("FLOAT")) continue;
    if (std::isnan(option->as<double>())) {
      throw CLI::ValidationError(option->get_name(), "nan is no number");
    }
  }
  for (const CLI::App* chosen : command.get_subcommands()) refuse_nan(*chosen);
}

}  // namespace

std::unique_ptr<CLI::App> make_parser(Command& chosen) {
  auto app = std::make_unique<CLI::App>(
      "lckv: trains language models whose layers share keys and values (LCKV and relatives)",
      "lckv");
  app->formatter_fn([](const CLI::App* command, const std::string& name, CLI::AppFormatMode) {
    return help_text(*command, name);
  });
  app->footer(kFooter);
  app->set_version_flag("--version", "lckv " + program_version());
  app->require_subcommand(1);
  for (const auto add :
       {add_tokenize, add_inspect, add_plan, add_train, add_eval, add_generate, add_checkpoint,
        add_export, add_import, add_bench, add_report, add_doctor, add_completion}) {
    add(*app, chosen);
  }
  return app;
}

Command parse(int argc, const char* const* argv) {
  Command chosen;
  const auto app = make_parser(chosen);
  try {
    app->parse(argc, argv);
    refuse_nan(*app);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    if (app->exit(error, out, err) == 0) return print(out.str());
    const std::string message = error.what();
    throw Error(explain_refusal(*app, message), ExitCode::kUsage);
  }
  return chosen;
}

}  // namespace lckv::cli
