#pragma once

#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/program.h"
#include "lckv/comm/agreement.h"

/// The options of each command: <command>_options.cpp defines add_<command>(), which this header
/// declares and parse.cpp calls. One looks like this:
///
///   void add_inspect(CLI::App& app, Command& chosen) {
///     auto args = std::make_shared<InspectArgs>();                 // of commands.h
///     CLI::App* command = app.add_subcommand("inspect", "Facts of a token store");
///     command->group(kDataCommands);                               // its place in lckv --help
///     command->add_option("store", args->path, "Token store (.h5)")->required();
///     command->option_defaults()->group("Output");                 // heads those that follow
///     command->add_flag("--json", args->json, "Print JSON");
///     add_examples(*command, {{"lckv inspect train.h5", "facts and checksums"}});
///     command->callback([args, &chosen] { chosen = alone("inspect", args, run_inspect); });
///   }
///
/// `chosen` is what the command line asks for; the callback of the command that stands on it sets
/// it. The arguments live as long as the callback. Defaults are those of the struct.
namespace lckv::cli {

/// A command that one process carries out.
template <class Args>
Command alone(const char* command, std::shared_ptr<Args> args, ExitCode (*run)(const Args&)) {
  return {command, [=](comm::World& world) {
            comm::together(world, [&] {
              if (world.size() == 1) return;
              throw Error(format("{}: runs in one process, {} were started", command, world.size()),
                          ExitCode::kUsage);
            });
            return run(*args);
          }};
}

/// A command that all processes carry out together.
template <class Args>
Command distributed(const char* command, std::shared_ptr<Args> args,
                    ExitCode (*run)(comm::World&, const Args&)) {
  return {command, [=](comm::World& world) { return run(world, *args); }};
}

/// A command that polls stop_requested().
Command polling(Command command);

/// What commands are for: the headings of lckv --help, in this order.
inline constexpr const char* kDataCommands = "Data";
inline constexpr const char* kModelCommands = "Model and plan";
inline constexpr const char* kTrainCommands = "Train";
inline constexpr const char* kUseCommands = "Evaluate and generate";
inline constexpr const char* kStateCommands = "Checkpoints and exchange";
inline constexpr const char* kMeasureCommands = "Measure";
inline constexpr const char* kMachineCommands = "Machine";

/// A command line that the parser accepts (a test parses it), such as "lckv inspect x.h5" or
/// "mpirun -n 2 lckv ...", and what it does.
struct Example {
  std::string line;
  std::string meaning;
};

/// The end of the command's --help: two to four command lines of it, and what its exit codes mean
/// beyond those of every command ("": nothing).
void add_examples(CLI::App& command, const std::vector<Example>& examples,
                  const std::string& exit_codes = "");

/// The run file and --set.
void add_run_file(CLI::App& command, RunFileArgs& args);

/// --stall-timeout, of the commands that several ranks carry out.
void add_stall_timeout(CLI::App& command, double& stall_timeout_s);

inline constexpr int kMaxThreads = 4096;
inline constexpr int kMaxRanks = 65536;

void add_tokenize(CLI::App& app, Command& chosen);
void add_inspect(CLI::App& app, Command& chosen);
void add_plan(CLI::App& app, Command& chosen);
void add_train(CLI::App& app, Command& chosen);
void add_eval(CLI::App& app, Command& chosen);
void add_generate(CLI::App& app, Command& chosen);
void add_export(CLI::App& app, Command& chosen);
void add_import(CLI::App& app, Command& chosen);
void add_checkpoint(CLI::App& app, Command& chosen);
void add_bench(CLI::App& app, Command& chosen);
void add_completion(CLI::App& app, Command& chosen);
void add_bench_generate(CLI::App& bench, Command& chosen);
void add_doctor(CLI::App& app, Command& chosen);
void add_report(CLI::App& app, Command& chosen);

/// The parser of every command. Parsing a command line sets `chosen`, which must outlive it;
/// nothing runs, no file is opened.
std::unique_ptr<CLI::App> make_parser(Command& chosen);

}  // namespace lckv::cli
