#include "lckv/cli/command_options.h"

namespace lckv::cli {

void add_report(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<ReportArgs>();
  CLI::App* command = app.add_subcommand(
      "report", "Curves, scores, memory, plan and configuration of runs as one HTML page");
  command->group(kMeasureCommands);
  command->add_option("runs", args->runs, "Folders of runs, where metrics.jsonl is")->required();
  command->add_option("-o,--output", args->output, "Page to write; one of that name is replaced")
      ->capture_default_str();
  command->add_option("--across", args->across, "What curves are drawn over")
      ->check(CLI::IsMember({"steps", "tokens"}))
      ->capture_default_str();
  command->add_option("--title", args->title, "Of the page; default: the runs' names");
  add_examples(*command,
               {{"lckv report runs/quickstart", "writes report.html"},
                {"lckv report runs/lckv_50m runs/llama_50m -o compare.html --across tokens",
                 "two runs in the same charts, over tokens"}},
               "4 a file of a run is broken: the file and the line are named; 5 a folder is not "
               "there.");
  command->callback([args, &chosen] { chosen = alone("report", args, run_report); });
}

}  // namespace lckv::cli
