#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

void add_hf_output(CLI::App& command, HfOutputArgs& args) {
  command
      .add_option("--dtype", args.dtype,
                  "bf16 or fp32; default: as the source is stored, of a run bf16")
      ->check(CLI::IsMember({"bf16", "fp32"}));
  command
      .add_option("--shard-bytes", args.file_bytes,
                  "Largest file of tensors: 500MB, 5GB (decimal), 2GiB (binary) or bytes")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("--overwrite", args.overwrite, "Replace the folder when it exists");
}

}  // namespace

void add_export(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<ExportArgs>();
  CLI::App* command = app.add_subcommand(
      "export",
      "A run's newest weights, or those of a folder, as a Hugging Face folder; on any grid saved");
  command->group(kStateCommands);
  command->add_option("source", args->source, "Run folder, saved state, or Hugging Face folder")
      ->required();
  command->add_option("-o,--output", args->output, "Folder to write")->required();
  command->add_option("--tokenizer", args->tokenizer,
                      "Default: the one of the training token store, or the files of the folder");
  add_hf_output(*command, args->output_options);
  add_examples(*command,
               {{"lckv export runs/quickstart -o hf_folder", "the newest weights, in bf16"},
                {"lckv export runs/a/step-00000100 -o hf_folder --dtype fp32 --shard-bytes 2GiB",
                 "a saved state, in fp32, in files of 2 GiB at most"}});
  command->callback([args, &chosen] { chosen = polling(alone("export", args, run_export)); });
}

void add_import(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<ImportArgs>();
  CLI::App* command = app.add_subcommand(
      "import", "A pretrained Llama as a Hugging Face folder of another layout, to start from");
  command->group(kStateCommands);
  command->add_option("folder", args->folder, "Hugging Face folder")->required();
  command->add_option("-o,--output", args->output, "Folder to write")->required();
  command->option_defaults()->group("Layout");
  auto* config = command->add_option("--config", args->config, "Run file whose model is wanted");
  const auto add_layout = [&](const char* name, auto& value, const char* meaning) {
    return command->add_option(name, value, meaning)->excludes(config);
  };
  add_layout("--layer-types", args->layer_types, "Layout, such as 0_6_6_6_6_6_6_7");
  add_layout("--forward-passes", args->forward_passes, "m; default: the source's, of a Llama 7");
  add_layout("--backward-passes", args->backward_passes, "b; default: the source's, of a Llama 2");
  add_layout("--sliding-window", args->sliding_window, "W of layers with suffix s");
  command->add_flag("--force-nodiag", args->force_nodiag, "Strict mask in every layer")
      ->excludes(config);
  command
      ->add_option("--kv", args->kv,
                   "Keys and values: copy a KV layer's own, or average those of all its readers")
      ->check(CLI::IsMember({"copy", "average"}))
      ->capture_default_str();
  command->option_defaults()->group("Output");
  add_hf_output(*command, args->output_options);
  add_examples(*command, {{"lckv import llama -o lckv_folder --layer-types 0_6_6_6_6_6_6_7",
                           "a Llama of 8 layers to start an LCKV model from"},
                          {"lckv import llama -o lckv_folder --config run.yaml --kv average",
                           "the model of a run file; K,V averaged over their readers"}});
  command->callback([args, &chosen] { chosen = polling(alone("import", args, run_import)); });
}

}  // namespace lckv::cli
