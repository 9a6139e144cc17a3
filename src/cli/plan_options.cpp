#include "lckv/cli/command_options.h"

namespace lckv::cli {

void add_plan(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<PlanArgs>();
  CLI::App* command = app.add_subcommand(
      "plan", "Picture, parameters, FLOPs, memory and communication of a run; allocates nothing");
  command->group(kModelCommands);
  add_run_file(*command, args->run);
  command
      ->add_option("--ranks", args->ranks,
                   "Plan for so many ranks; default: parallel.tensor x parallel.data")
      ->check(CLI::Range(1, kMaxRanks));
  command->add_option("--svg", args->svg, "Write the picture to this file, for a browser");
  add_examples(
      *command,
      {{"lckv plan configs/quickstart.yaml", "what the model computes, and what that costs"},
       {"lckv plan configs/lckv_50m.yaml --ranks 4 --set parallel.tensor=2",
        "memory and communication of each of four ranks"},
       {"lckv plan run.yaml --set model.layer_types=0_6_6_6_6_6_6_7 --svg plan.svg",
        "another layout, and its picture as a file"}});
  command->callback([args, &chosen] { chosen = alone("plan", args, run_plan); });
}

}  // namespace lckv::cli
