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
constexpr int kMostTokens = 1 << 28;

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
                      "bytes, a SentencePiece .model, a Hugging Face tokenizer.json, a folder with "
                      "one of these, or a token store whose tokenizer is taken; "
                      "with --train-sentencepiece the .model to write");
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

void add_eval_perplexity(CLI::App& command, EvalArgs& args) {
  auto* perplexity = command.add_option("--perplexity", args.perplexity,
                                        "Token store to score, or text (.txt, .jsonl, a folder)");
  command
      .add_option("--perplexity-mode", args.perplexity_mode,
                  "nonoverlap (sequences of T), rolling (documents, every token once), "
                  "sliding:STRIDE, or llamacpp")
      ->needs(perplexity)
      ->capture_default_str();
  command.add_option("--sequence-tokens", args.sequence_tokens, "T; default: as trained")
      ->check(CLI::PositiveNumber)
      ->needs(perplexity);
  command.add_option("--batch", args.batch_sequences, "Sequences at once")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option("--max-tokens", args.max_tokens, "Read at most; default: all")
      ->check(CLI::PositiveNumber)
      ->needs(perplexity);
}

void add_eval_tasks(CLI::App& command, EvalArgs& args) {
  auto* questions =
      command.add_option("--questions", args.questions,
                         "JSONL with query, choices, gold: the most probable choice is picked");
  command
      .add_option("--tasks", args.tasks,
                  "Tasks of lm-evaluation-harness: hellaswag, openbookqa, winogrande, arc_easy, "
                  "arc_challenge, boolq, piqa, sciq, lambada_openai, wikitext")
      ->delimiter(',')
      ->excludes(questions);
  command
      .add_option("--task-data", args.task_data,
                  "Folder of their files: <task>.jsonl and the like, also .gz and .zst")
      ->excludes(questions);
  command
      .add_option("--task-file", args.task_files, "TASK=FILE: documents of one task (repeatable)")
      ->allow_extra_args(false)
      ->excludes(questions);
  command
      .add_option("--fewshot-file", args.fewshot_files,
                  "TASK=FILE: its training split, for --num-fewshot (repeatable)")
      ->allow_extra_args(false)
      ->excludes(questions);
  command
      .add_option("--num-fewshot,--num_fewshot", args.num_fewshot, "Examples before each document")
      ->check(CLI::NonNegativeNumber)
      ->excludes(questions);
  command
      .add_option("--limit", args.limit, "First documents of each task; below 1: a part of them")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--compat", args.compat,
                  "Whose scores compare: lmeval-0.4.5 (no BOS; default) or lmeval-head (BOS; "
                  "default of --questions)")
      ->check(CLI::IsMember({"lmeval-0.4.5", "lmeval-head"}));
  command
      .add_option("--bootstrap-iters,--bootstrap_iters", args.bootstrap_iters,
                  "Resamples for the standard error of a task's perplexity")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_option("--output,--output_path,--output-path", args.output,
                     "Results as the harness writes them: a folder, or a .json file");
  command.add_flag("--log-samples,--log_samples", args.log_samples,
                   "Every document with its scores beside the results");
  command.add_option("--show", args.show, "Print so many documents with the model's answers")
      ->check(CLI::NonNegativeNumber);
}

void add_eval_scoring(CLI::App& command, EvalArgs& args) {
  command.add_option("--forward,--lckv-forward", args.forward,
                     "iterate:n (default n = m + b), sequential (exact), or converge:eps");
  command.add_option("--logits", args.logits, "bf16: rounded to it before softmax")
      ->check(CLI::IsMember({"fp32", "bf16"}))
      ->capture_default_str();
  command
      .add_option(
          "--batch-tokens", args.batch_tokens,
          "Tokens of one forward over rows of all lengths; default: 2048, of a text --batch "
          "sequences")
      ->check(CLI::PositiveNumber);
  command.add_flag("!--no-share-prefixes", args.share_prefixes,
                   "Compute what requests begin with in common for each of them");
  command.add_option("--tokenizer", args.tokenizer, "Of texts, when the model's folder has none");
  command.add_flag("--dry-run", args.dry_run,
                   "Only requests, tokens with and without sharing, and memory");
}

void add_eval(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* command = app.add_subcommand(
      "eval", "Perplexity of a token store or text, tasks of lm-evaluation-harness, or questions");
  command->add_option("model", args->model, "Run folder, saved state, or Hugging Face folder")
      ->required();
  add_eval_perplexity(*command, *args);
  add_eval_tasks(*command, *args);
  add_eval_scoring(*command, *args);
  command->add_option("--device", args->device, "auto: a GPU where there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("--precision", args->precision)
      ->check(CLI::IsMember({"auto", "bf16", "fp32", "fp64"}))
      ->capture_default_str();
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

void add_sampling(CLI::App& command, GenerateArgs& args) {
  command.add_option("--temperature", args.temperature, "0: always the likeliest token")
      ->capture_default_str();
  command.add_option("--top-k", args.top_k, "Draw from the k likeliest tokens; 0: from all")
      ->capture_default_str();
  command.add_option("--top-p", args.top_p, "Draw from the likeliest tokens whose mass reaches p")
      ->capture_default_str();
  command
      .add_option("--min-p", args.min_p,
                  "Draw from tokens with this part of the largest probability or more")
      ->capture_default_str();
  command
      .add_option("--repetition-penalty", args.repetition_penalty,
                  "Divides positive logits of tokens that were there, multiplies negative ones")
      ->capture_default_str();
  command
      .add_option("--presence-penalty", args.presence_penalty,
                  "Subtracted from logits of tokens that were there")
      ->capture_default_str();
  command
      .add_option("--frequency-penalty", args.frequency_penalty,
                  "The same, for every time that they were")
      ->capture_default_str();
  command
      .add_option("--repeat-last-n", args.repeat_last_n,
                  "Newest tokens that penalties see, prompt included; -1: all")
      ->capture_default_str();
  command.add_option("--samplers", args.samplers,
                     "Order of the filters, those left out are off; default: "
                     "penalties;temperature;top_k;top_p;min_p");
  command.add_option("--seed", args.seed, "Equal seeds give equal texts, in any batch")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
}

void add_text_ends(CLI::App& command, GenerateArgs& args) {
  command
      .add_option("-n,--max-new-tokens", args.max_new_tokens,
                  "New tokens at most; default: 128, or what the model's context leaves")
      ->check(CLI::PositiveNumber);
  command.add_option("--min-new-tokens", args.min_new_tokens, "Before anything ends the text")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--stop", args.stops, "The text ends before this one (repeatable)")
      ->allow_extra_args(false);
  command.add_option("--stop-id", args.stop_ids, "The text ends at this token (repeatable)")
      ->allow_extra_args(false);
  command.add_flag("--ignore-eos", args.ignore_eos, "EOS never comes");
}

void add_prefill(CLI::App& command, GenerateArgs& args) {
  command
      .add_option("--prefill", args.prefill,
                  "iterate:n passes over a prompt (default n = m + b), or exact (token by token)")
      ->capture_default_str();
  command
      .add_option(
          "--prefill-chunk", args.prefill_chunk,
          "Tokens of a prompt at once; changes results where passes are fewer. Default: all")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--window", args.window,
                  "Endless texts: keep so many tokens, the sinks and the newest ones")
      ->check(CLI::PositiveNumber);
  command.add_option("--sinks", args.sinks, "First tokens that stay in the window; default: 4")
      ->check(CLI::NonNegativeNumber);
}

void add_generate_memory(CLI::App& command, GenerateArgs& args) {
  command.add_option("--batch", args.batch, "Texts at once; default: all, 64 at most")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--memory", args.memory_bytes,
                  "For cache and activations, of each process: 500MB, 2GiB or bytes; default: what "
                  "the batch needs")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::PositiveNumber);
  command.add_option("--device", args.device, "auto: a GPU where there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command.add_option("--precision", args.precision)
      ->check(CLI::IsMember({"auto", "bf16", "fp32", "fp64"}))
      ->capture_default_str();
  command.add_option("--threads", args.threads, "0: every core")
      ->check(CLI::Range(0, kMaxThreads))
      ->capture_default_str();
  command
      .add_option("--tensor", args.tensor,
                  "Under mpirun: ranks that share one copy of the model; the rest are copies that "
                  "take prompts in turn")
      ->check(CLI::Range(1, kMaxRanks))
      ->capture_default_str();
  command.add_flag("--oversubscribe", args.oversubscribe, "More threads than cores are wanted");
}

void add_generate(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<GenerateArgs>();
  CLI::App* command = app.add_subcommand("generate", "Continue texts");
  command->add_option("model", args->model, "Run folder, saved state, or Hugging Face folder")
      ->required();
  command->add_option("--prompt", args->prompts, "Text to continue (repeatable)")
      ->allow_extra_args(false);
  command->add_option("--prompts", args->prompts_file,
                      "File of them: .txt, one on each line, or .jsonl with the field prompt");
  command->add_option("--samples", args->samples, "Continuations of each prompt")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20))
      ->capture_default_str();
  add_text_ends(*command, *args);
  add_sampling(*command, *args);
  add_prefill(*command, *args);
  add_generate_memory(*command, *args);
  command->add_option("--tokenizer", args->tokenizer, "When the model's folder has none");
  command->add_flag("--no-bos", args->no_bos, "No BOS in front of prompts");
  command
      ->add_option("--logprobs", args->logprobs,
                   "Report so many of the likeliest tokens at each place, in JSON")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", args->json, "Print a line of JSON for each text");
  command->add_option("-o,--output", args->output, "Write these lines to a file (.jsonl)");
  auto* stream = command->add_flag("--stream", args->stream,
                                   "Print text as it comes; default for one prompt and one sample");
  command->add_flag("--no-stream", args->no_stream, "Print texts when they are whole")
      ->excludes(stream);
  command->callback(
      [args, &chosen] { chosen = polling(distributed("generate", args, run_generate)); });
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

void add_bench_generate_tests(CLI::App& command, BenchGenerateArgs& args) {
  command
      .add_option("--tests", args.tests,
                  "pp: prefill; tg: decoding from --depth tokens; pg: prompt and generation in "
                  "one, tokens chosen greedily (the paper's x+y)")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"pp", "tg", "pg"}))
      ->capture_default_str();
  command.add_option("-p,--prompt", args.prompts, "Lengths of prompts; 0: none")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command.add_option("-n,--generate", args.generates, "Numbers of new tokens; 0: none")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command.add_option("-d,--depth", args.depth, "Tokens that are in the cache before")
      ->check(CLI::Range(0, kMostTokens))
      ->capture_default_str();
  command
      .add_option("-b,--batch", args.batch,
                  "Sequences, such as 1,8; auto: the most that --memory holds, for each layout, "
                  "and for all of them what it holds of the largest")
      ->capture_default_str();
  command
      .add_option("--memory", args.memory_bytes,
                  "Of weights, cache, activations and logits: 24GB (decimal), 24GiB (binary)")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::PositiveNumber);
  command.add_option("--max-batch", args.max_batch, "Larger ones are planned, not measured")
      ->check(CLI::PositiveNumber);
  command.add_flag("--predict", args.predict,
                   "Only the largest batches for --memory: planned, and in closed form");
  command.add_flag("-s,--pps,--shared-prompt", args.shared_prompt,
                   "Every test with a prompt or depth once more with one for all sequences");
}

void add_bench_generate(CLI::App& bench, Command& chosen) {
  auto args = std::make_shared<BenchGenerateArgs>();
  CLI::App* command = bench.add_subcommand(
      "generate",
      "Prefill and decoding of layouts side by side on random weights: tokens/s, latency, memory, "
      "bytes/s over the memory rate");
  command->add_option("configs", args->configs, "Run files (YAML); their data is not read")
      ->required();
  command->add_option("--set", args->overrides, "Override one key of each (repeatable)")
      ->allow_extra_args(false);
  command
      ->add_option("--layer-types", args->layer_types,
                   "Layout to measure (repeatable): layer_types, llama (each layer its own keys "
                   "and values), config (the file's)")
      ->allow_extra_args(false)
      ->capture_default_str();
  add_bench_generate_tests(*command, *args);
  command->add_option("-r,--repetitions", args->repetitions, "Timed runs of each test")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_flag("!--no-warmup", args->warms_up, "No untimed run before");
  command->add_option("--prefill", args->prefill, "iterate (m + b passes), iterate:n, or exact")
      ->capture_default_str();
  command
      ->add_option("--prompt-rows", args->prompt_rows,
                   "Tokens of prompts in one forward, but for a prompt that is longer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("--device", args->device, "auto: cuda where there is a GPU")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command->add_option("--precision", args->precision, "Of weights, activations and cache")
      ->check(CLI::IsMember({"auto", "bf16", "fp32", "fp64"}))
      ->capture_default_str();
  command->add_option("--threads", args->threads, "CPU threads; 0: the cores it may use")
      ->check(CLI::Range(0, kMaxThreads));
  command->add_option("--seed", args->seed, "Of weights and tokens")->capture_default_str();
  command->add_option("--rate-seconds", args->rate_s, "Spent on each way to move memory")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      ->add_option("--rate-bytes", args->rate_bytes,
                   "Moved there, beyond every cache; default: 1GiB on a GPU, 128MiB on a CPU")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(int64_t{1} << 10, int64_t{1} << 40));
  command->add_option("--matmul-algorithms", args->matmul_algorithms,
                      "File of cuBLASLt algorithms, as of bench ops");
  command->add_option("-o,--output", args->output, "Format on standard output")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl", "none"}))
      ->capture_default_str();
  command->add_option("--oe,--output-err", args->error_output, "Format on standard error")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl", "none"}))
      ->capture_default_str();
  command->add_option("--json", args->json, "Write the rows to this file as well");
  command->callback(
      [args, &chosen] { chosen = distributed("bench generate", args, run_bench_generate); });
}

void add_bench(CLI::App& app, Command& chosen) {
  CLI::App* bench = app.add_subcommand("bench", "Measurements");
  bench->require_subcommand(1);
  add_bench_train(*bench, chosen);
  add_bench_checkpoint(*bench, chosen);
  add_bench_comm(*bench, chosen);
  add_bench_ops(*bench, chosen);
  add_bench_generate(*bench, chosen);
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
  add_generate(app, chosen);
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
