#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

constexpr double kMostSeconds = 600, kMostGib = 1 << 30;

void add_doctor_nodes(CLI::App& command, DoctorArgs& args) {
  command.option_defaults()->group("Several ranks");
  CLI::Option* nodes =
      command.add_flag("--nodes", args.nodes,
                       "Under mpirun or srun: all ranks measure at the same time and are compared");
  command
      .add_option("--min-rate-frac", args.min_rate_frac,
                  "A rank is at fault below this part of the median rate")
      ->check(CLI::Range(0.0, 1.0))
      ->needs(nodes)
      ->capture_default_str();
  command
      .add_option("--max-skew-seconds", args.max_skew_s,
                  "A clock is at fault that differs by more from the median one")
      ->check(CLI::PositiveNumber)
      ->needs(nodes)
      ->capture_default_str();
}

}  // namespace

void add_doctor(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<DoctorArgs>();
  CLI::App* command = app.add_subcommand(
      "doctor",
      "What this machine has, what is missing and the command that installs it; with --nodes the "
      "check of several ranks");
  command->group(kMachineCommands);
  CLI::Option* quick = command->add_flag("--quick", args->quick, "Measure nothing");
  CLI::Option* seconds = command
                             ->add_option("--seconds", args->seconds,
                                          "Spent on measuring, in all; default: 6, with --nodes 10")
                             ->check(CLI::Range(0.1, kMostSeconds));
  command->add_option(
      "--output", args->output,
      "Folder whose disk is looked at, such as a run's output; default: the working "
      "folder, with --nodes none");
  command->add_option("--need-gib", args->need_gib, "GiB that must be free there")
      ->check(CLI::Range(0.0, kMostGib));
  command->add_flag("--json", args->json, "Print JSON");
  add_doctor_nodes(*command, *args);
  quick->excludes(seconds);
  quick->excludes(command->get_option("--nodes"));
  add_examples(*command,
               {{"lckv doctor", "the whole report, in about ten seconds"},
                {"lckv doctor --quick --json", "the facts alone, for programs"},
                {"mpirun -n 2 --bind-to none lckv doctor --nodes", "two ranks, compared"},
                {"srun --mpi=pmix lckv doctor --nodes --output runs/a --need-gib 200",
                 "the nodes of a job, before it starts"}},
               "0 lckv can train here, or no fault was found; 1 something needed is missing, or a "
               "rank or node is at fault: its name and value are printed.");
  command->callback([args, &chosen] {
    chosen = args->nodes ? distributed("doctor --nodes", args, run_doctor_nodes)
                         : alone("doctor", args, run_doctor);
  });
}

}  // namespace lckv::cli
