#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

void add_checkpoint_list(CLI::App& checkpoint, Command& chosen) {
  auto args = std::make_shared<CheckpointListArgs>();
  CLI::App* command = checkpoint.add_subcommand("list", "The saved states of a run");
  command->add_option("folder", args->folder, "Run folder")->required();
  command->add_flag("--verify", args->verify, "Read every byte; exit code 1 when one is damaged");
  command->add_flag("--json", args->json, "Print JSON");
  add_examples(
      *command,
      {{"lckv checkpoint list runs/quickstart", "steps, sizes and scores"},
       {"lckv checkpoint list runs/quickstart --verify --json", "every byte read, for programs"}},
      "1 a state is damaged (with --verify).");
  command->callback(
      [args, &chosen] { chosen = polling(alone("checkpoint list", args, run_checkpoint_list)); });
}

void add_checkpoint_show(CLI::App& checkpoint, Command& chosen) {
  auto args = std::make_shared<CheckpointShowArgs>();
  CLI::App* command = checkpoint.add_subcommand(
      "show", "What a saved state holds: position of the training, configuration, tensors");
  command->add_option("folder", args->folder, "Saved state, or run folder (its newest)")
      ->required();
  command->add_flag("--tensors", args->tensors, "Every tensor with the pieces it was saved in");
  command->add_flag("--json", args->json, "Print JSON");
  add_examples(*command, {{"lckv checkpoint show runs/quickstart", "the newest state"},
                          {"lckv checkpoint show runs/quickstart --tensors", "with every tensor"}});
  command->callback(
      [args, &chosen] { chosen = alone("checkpoint show", args, run_checkpoint_show); });
}

void add_checkpoint_verify(CLI::App& checkpoint, Command& chosen) {
  auto args = std::make_shared<CheckpointVerifyArgs>();
  CLI::App* command = checkpoint.add_subcommand(
      "verify", "Reads every byte of saved states; exit code 1 when one is damaged");
  command->add_option("folders", args->folders, "Saved states, or run folders (all their states)")
      ->required();
  command->add_flag("--json", args->json, "Print JSON");
  add_examples(*command,
               {{"lckv checkpoint verify runs/quickstart", "all states of a run"},
                {"lckv checkpoint verify runs/a runs/b --json", "of several runs, for programs"}},
               "1 a state is damaged.");
  command->callback([args, &chosen] {
    chosen = polling(alone("checkpoint verify", args, run_checkpoint_verify));
  });
}

void add_checkpoint_prune(CLI::App& checkpoint, Command& chosen) {
  auto args = std::make_shared<CheckpointPruneArgs>();
  CLI::App* command = checkpoint.add_subcommand(
      "prune", "Removes old saved states of a run; never the newest whole one, never the best");
  command->add_option("folder", args->folder, "Run folder")->required();
  command->add_option("--keep-last", args->keep_last, "Newest states that stay")
      ->check(CLI::PositiveNumber)
      ->required();
  command->add_option("--keep-every", args->keep_every_steps, "States of these steps stay")
      ->check(CLI::PositiveNumber);
  command->add_flag("--dry-run", args->dry_run, "Only tell what would go");
  add_examples(*command,
               {{"lckv checkpoint prune runs/quickstart --keep-last 3 --dry-run", "what would go"},
                {"lckv checkpoint prune runs/quickstart --keep-last 3 --keep-every 1000",
                 "the newest three stay, and every thousandth step"}});
  command->callback(
      [args, &chosen] { chosen = polling(alone("checkpoint prune", args, run_checkpoint_prune)); });
}

}  // namespace

void add_checkpoint(CLI::App& app, Command& chosen) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Saved states of runs");
  checkpoint->group(kStateCommands);
  checkpoint->require_subcommand(1);
  add_checkpoint_list(*checkpoint, chosen);
  add_checkpoint_show(*checkpoint, chosen);
  add_checkpoint_verify(*checkpoint, chosen);
  add_checkpoint_prune(*checkpoint, chosen);
  add_examples(*checkpoint,
               {{"lckv checkpoint list runs/quickstart", "what there is"},
                {"lckv checkpoint verify runs/quickstart", "whether every byte is right"}},
               "1 a state is damaged.");
}

}  // namespace lckv::cli
