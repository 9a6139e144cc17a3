#include "lckv/cli/command_options.h"

namespace lckv::cli {

void add_train(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<RunFileArgs>();
  CLI::App* command = app.add_subcommand("train", "Train, or continue a stopped run");
  command->group(kTrainCommands);
  add_run_file(*command, *args);
  command->add_option_function<std::string>(
      "--init-from",
      [args](const std::string& folder) { args->overrides.push_back("train.init_from=" + folder); },
      "Hugging Face folder to start from (the key train.init_from)");
  add_examples(
      *command,
      {{"lckv train configs/quickstart.yaml",
        "trains; the same line continues a run that was stopped"},
       {"lckv train run.yaml --set train.steps=100 --set output=runs/short",
        "with two keys of the run file changed"},
       {"lckv train run.yaml --init-from hf_folder", "starts from pretrained weights"},
       {"mpirun -n 4 --bind-to none lckv train run.yaml --set parallel.tensor=2",
        "on four ranks, two for each copy of the model"}},
      "8 the loss diverged; 75 stopped by a signal after saving, start again to continue.");
  command->callback([args, &chosen] { chosen = polling(distributed("train", args, run_train)); });
}

}  // namespace lckv::cli
