#include <csignal>
#include <cstdio>
#include <sstream>

#include <CLI/CLI.hpp>

#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/program.h"
#include "lckv/comm/agreement.h"

namespace lckv::cli {

namespace {

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
Command polling(Command command) {
  command.stop_signals = StopSignals::kPolled;
  return command;
}

constexpr int kMaxThreads = 4096;
constexpr int kMaxRanks = 65536;

const char* const kFooter =
    "Exit codes: 0 done, 1 a check did not hold, 2 command line, 3 configuration, 4 data, 5 file "
    "system, 6 device, "
    "7 communication, 8 training diverged, 70 bug, 75 stopped by a signal after saving (start "
    "again to continue), "
    "130 interrupted.";

void add_tokenize(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<TokenizeArgs>();
  CLI::App* command = app.add_subcommand("tokenize", "Text to a token store (.h5)");
  command
      ->add_option("inputs", args->inputs, "Files (.txt, .jsonl, also .gz, .zst), folders, globs")
      ->required();
  command->add_option("-o,--output", args->output, "Token store to write")->required();
  command->add_option("--tokenizer", args->tokenizer,
                      "bytes, a SentencePiece .model, or a token store whose tokenizer is taken; "
                      "with --train-sentencepiece "
                      "the .model to write");
  command
      ->add_option("--train-sentencepiece", args->train_sentencepiece,
                   "Train a tokenizer of this vocabulary first")
      ->check(CLI::Range(int64_t{64}, int64_t{1} << 20));
  command->add_option("--field", args->field, "Field of JSONL documents that holds the text")
      ->capture_default_str();
  command
      ->add_option("--documents", args->documents, "A .txt file is one document, or one per line")
      ->check(CLI::IsMember({"file", "lines"}))
      ->capture_default_str();
  command->add_flag("--no-bos", args->no_bos, "No BOS in front of documents");
  command->add_flag("--eos", args->eos, "EOS after documents");
  command
      ->add_option("--validation-frac", args->validation_frac,
                   "Part of the documents for a second store")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--validation-output", args->validation_output, "That store");
  command->add_option("--seed", args->seed, "Of that draw")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--threads", args->threads, "0: every core")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  command->callback([args, &chosen] { chosen = polling(alone("tokenize", args, run_tokenize)); });
}

void add_inspect(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<InspectArgs>();
  CLI::App* command =
      app.add_subcommand("inspect", "Facts, first tokens and checksums of a token store");
  command->add_option("store", args->path, "Token store (.h5)")->required();
  command->add_flag("!--no-verify", args->verify, "Do not read everything to compare checksums");
  command->add_option("--show", args->show_tokens, "First tokens to print")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([args, &chosen] { chosen = polling(alone("inspect", args, run_inspect)); });
}

void add_run_file(CLI::App& command, RunFileArgs& args) {
  command.add_option("config", args.config, "Run file (YAML)")->required();
  command.add_option("--set", args.overrides, "Override one key: train.steps=100 (repeatable)")
      ->allow_extra_args(false);
}

void add_train(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<RunFileArgs>();
  CLI::App* command = app.add_subcommand("train", "Train, or continue a stopped run");
  add_run_file(*command, *args);
  command->add_option_function<std::string>(
      "--init-from",
      [args](const std::string& folder) { args->overrides.push_back("train.init_from=" + folder); },
      "Hugging Face folder to start from (the key train.init_from)");
  command->callback([args, &chosen] { chosen = polling(distributed("train", args, run_train)); });
}

void add_plan(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<PlanArgs>();
  CLI::App* command = app.add_subcommand(
      "plan",
      "Picture, parameters, FLOPs, memory and communication of a run, without allocating it");
  add_run_file(*command, args->run);
  command
      ->add_option("--ranks", args->ranks,
                   "Plan for so many ranks; default: parallel.tensor x parallel.data")
      ->check(CLI::Range(1, kMaxRanks));
  command->callback([args, &chosen] { chosen = alone("plan", args, run_plan); });
}

void add_eval(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* command =
      app.add_subcommand("eval", "Perplexity of a token store, or multiple-choice questions");
  command->add_option("model", args->model, "Run folder, saved state, or Hugging Face folder")
      ->required();
  auto* perplexity = command->add_option("--perplexity", args->perplexity, "Token store to score");
  auto* questions =
      command->add_option("--questions", args->questions,
                          "JSONL with query, choices, gold: the most probable choice is picked");
  perplexity->excludes(questions);
  command->add_option("--forward", args->forward,
                      "iterate:n (default n = m + b) or sequential (exact)");
  command
      ->add_option("--tokenizer", args->tokenizer,
                   "For questions, when the model's folder has none")
      ->needs(questions);
  command->add_option("--device", args->device, "auto: a GPU where there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("--precision", args->precision)
      ->check(CLI::IsMember({"auto", "bf16", "fp32", "fp64"}))
      ->capture_default_str();
  command->add_option("--sequence-tokens", args->sequence_tokens, "T; default: as trained")
      ->check(CLI::PositiveNumber)
      ->needs(perplexity);
  command->add_option("--batch", args->batch_sequences, "Sequences at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--max-tokens", args->max_tokens, "Scored at most; default: all")
      ->check(CLI::PositiveNumber)
      ->needs(perplexity);
  command->add_option("--show", args->show, "Print so many questions with the model's answers")
      ->check(CLI::NonNegativeNumber)
      ->needs(questions);
  command->add_option("--threads", args->threads, "0: every core")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  command
      ->add_option("--tensor", args->tensor,
                   "Under mpirun: ranks that share one copy of the model; the rest are copies that "
                   "take turns")
      ->check(CLI::Range(1, kMaxRanks))
      ->capture_default_str();
  command->add_flag("--oversubscribe", args->oversubscribe, "More threads than cores are wanted");
  command->add_option("--json", args->json, "Write the result to this file");
  command->callback([args, &chosen] { chosen = polling(distributed("eval", args, run_eval)); });
}

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

void add_export(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<ExportArgs>();
  CLI::App* command = app.add_subcommand(
      "export",
      "A run's newest weights, or those of a folder, as a Hugging Face folder, on any grid saved");
  command->add_option("source", args->source, "Run folder, saved state, or Hugging Face folder")
      ->required();
  command->add_option("-o,--output", args->output, "Folder to write")->required();
  command->add_option("--tokenizer", args->tokenizer,
                      "Default: the one of the training token store, or the files of the folder");
  add_hf_output(*command, args->output_options);
  command->callback([args, &chosen] { chosen = polling(alone("export", args, run_export)); });
}

void add_import(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<ImportArgs>();
  CLI::App* command = app.add_subcommand(
      "import", "A pretrained Llama as a Hugging Face folder of another layout, to start from");
  command->add_option("folder", args->folder, "Hugging Face folder")->required();
  command->add_option("-o,--output", args->output, "Folder to write")->required();
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
  add_hf_output(*command, args->output_options);
  command->callback([args, &chosen] { chosen = polling(alone("import", args, run_import)); });
}

void add_checkpoint_list(CLI::App& checkpoint, Command& chosen) {
  auto args = std::make_shared<CheckpointListArgs>();
  CLI::App* command = checkpoint.add_subcommand("list", "The saved states of a run");
  command->add_option("folder", args->folder, "Run folder")->required();
  command->add_flag("--verify", args->verify, "Read every byte; exit code 1 when one is damaged");
  command->add_flag("--json", args->json, "Print JSON");
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
  command->callback(
      [args, &chosen] { chosen = polling(alone("checkpoint prune", args, run_checkpoint_prune)); });
}

void add_checkpoint(CLI::App& app, Command& chosen) {
  CLI::App* checkpoint = app.add_subcommand("checkpoint", "Saved states of runs");
  checkpoint->require_subcommand(1);
  add_checkpoint_list(*checkpoint, chosen);
  add_checkpoint_show(*checkpoint, chosen);
  add_checkpoint_verify(*checkpoint, chosen);
  add_checkpoint_prune(*checkpoint, chosen);
}

void add_bench_train(CLI::App& bench, Command& chosen) {
  auto args = std::make_shared<BenchTrainArgs>();
  CLI::App* train = bench.add_subcommand(
      "train",
      "Training speed on random tokens: tokens/s, FLOP/s over the matmul rate, time by kind, "
      "memory, communication exposed and hidden");
  train->add_option("config", args->config, "Run file (YAML); its data is not read")->required();
  train->add_option("--set", args->overrides, "Override one key (repeatable)")
      ->allow_extra_args(false);
  train->add_option("--steps", args->steps, "Timed steps")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  train->add_option("--warmup", args->warmup_steps, "Steps before")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  train
      ->add_option("--gemm-seconds", args->gemm_s,
                   "Spent on measuring the matmul rate, before and after")
      ->capture_default_str();
  train->add_option("--json", args->json, "Write the result to this file");
  train->add_option("--trace", args->trace,
                    "Write the timeline of one step on all ranks to this file (Chrome trace JSON, "
                    "for chrome://tracing or ui.perfetto.dev)");
  train->callback([args, &chosen] { chosen = distributed("bench train", args, run_bench_train); });
}

void add_bench_checkpoint(CLI::App& bench, Command& chosen) {
  auto args = std::make_shared<BenchCheckpointArgs>();
  CLI::App* command = bench.add_subcommand(
      "checkpoint",
      "What saving and loading a run's state cost: training stopped, or going on while a copy is "
      "written; on random tokens, the run file's data is not read");
  add_run_file(*command, args->run);
  command->add_option("--steps", args->steps, "Timed steps without saves")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--warmup", args->warmup_steps, "Steps before")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--saves", args->saves, "Of each kind, in turn")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--folder", args->folder,
                      "Where to save, on the disk that is to be measured: a folder that is empty "
                      "or does not exist; default: a new one in the run's output. Removed at the "
                      "end");
  command->add_option("--json", args->json, "Write the result, with every single time, to a file");
  command->callback([args, &chosen] {
    chosen = polling(distributed("bench checkpoint", args, run_bench_checkpoint));
  });
}

void add_bench_comm(CLI::App& bench, Command& chosen) {
  auto args = std::make_shared<BenchCommArgs>();
  CLI::App* command = bench.add_subcommand(
      "comm",
      "Latency and bandwidth of every collective by size, beside the memory copy rate; under "
      "mpirun");
  command->add_option("--max-bytes", args->max_bytes, "Largest message")
      ->check(CLI::Range(int64_t{4}, int64_t{1} << 40))
      ->capture_default_str();
  command->add_option("--seconds", args->budget_s, "Spent on each collective and size")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--json", args->json, "Write the result to this file");
  command->callback([args, &chosen] { chosen = distributed("bench comm", args, run_bench_comm); });
}

void add_bench_ops(CLI::App& bench, Command& chosen) {
  auto args = std::make_shared<BenchOpsArgs>();
  CLI::App* command = bench.add_subcommand(
      "ops",
      "Time of every kernel at a model's shapes, beside this device's rates of copying and "
      "multiplying");
  command->add_option("--config", args->config,
                      "Run file (YAML) whose shapes are taken; default: TinyLlama, 8 x 2048 "
                      "tokens, on a GPU; a small model on a CPU");
  command->add_option("--rows", args->rows, "Tokens at once, instead of a micro-batch")
      ->check(CLI::PositiveNumber);
  command->add_option("--device", args->device, "auto: cuda where there is a GPU")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_option("--precision", args->precision, "Of activations and weights")
      ->check(CLI::IsMember({"auto", "bf16", "fp32", "fp64"}))
      ->capture_default_str();
  command->add_option("--threads", args->threads, "CPU threads; 0: the cores it may use")
      ->check(CLI::Range(0, kMaxThreads));
  command->add_option("--seconds", args->budget_s, "Spent on each op and shape")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--matmul-algorithms", args->matmul_algorithms,
                      "File of cuBLASLt algorithms, as of a run; shapes it lacks are timed and "
                      "added. Default: cuBLASLt's first proposals");
  command->add_option("--json", args->json, "Write the result to this file");
  command->callback([args, &chosen] { chosen = distributed("bench ops", args, run_bench_ops); });
}

void add_bench(CLI::App& app, Command& chosen) {
  CLI::App* bench = app.add_subcommand("bench", "Measurements");
  bench->require_subcommand(1);
  add_bench_train(*bench, chosen);
  add_bench_checkpoint(*bench, chosen);
  add_bench_comm(*bench, chosen);
  add_bench_ops(*bench, chosen);
}

/// --help and --version: rank 0 prints, nothing else happens.
Command print(const std::string& text) {
  return {"--help or --version", [text](comm::World& world) {
            if (world.rank() == 0) std::fputs(text.c_str(), stdout);
            return ExitCode::kOk;
          }};
}

Command parse(int argc, const char* const* argv) {
  CLI::App app{
      "lckv: trains language models whose layers share keys and values (LCKV and relatives)"};
  app.footer(kFooter);
  app.set_version_flag("--version", "lckv " + program_version());
  app.require_subcommand(1);
  Command chosen;
  add_tokenize(app, chosen);
  add_inspect(app, chosen);
  add_train(app, chosen);
  add_plan(app, chosen);
  add_eval(app, chosen);
  add_export(app, chosen);
  add_import(app, chosen);
  add_checkpoint(app, chosen);
  add_bench(app, chosen);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    if (app.exit(error, out, err) == 0) return print(out.str());
    std::string message = err.str();
    while (message.ends_with('\n')) message.pop_back();
    throw Error(message, ExitCode::kUsage);
  }
  return chosen;
}

}  // namespace

int run_program(int argc, const char* const* argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on file size is a full disk: an error, not a death
  return run_in_world([&] { return parse(argc, argv); });
}

}  // namespace lckv::cli
