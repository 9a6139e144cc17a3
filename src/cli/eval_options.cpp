#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

void add_eval_perplexity(CLI::App& command, EvalArgs& args) {
  command.option_defaults()->group("Perplexity");
  auto* perplexity = command.add_option("--perplexity", args.perplexity,
                                        "Token store to score, or text (.txt, .jsonl, a folder)");
  command
      .add_option("--perplexity-mode", args.perplexity_mode,
                  "nonoverlap (sequences of T as in training, every target), blocks (as run_clm.py "
                  "of Hugging Face: blocks of T tokens, of each all but the first), rolling "
                  "(documents, every token once), sliding:STRIDE, or llamacpp")
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
  command.option_defaults()->group("Tasks and questions");
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
}

void add_eval_results(CLI::App& command, EvalArgs& args) {
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
  command.option_defaults()->group("Scoring");
  command.add_option("--forward,--lckv-forward", args.forward,
                     "iterate:n (default n = m + b), sequential (exact; default where the model's "
                     "config.json has use_sequential), or converge:eps");
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

}  // namespace

void add_eval(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* command = app.add_subcommand(
      "eval", "Perplexity of a token store or text, tasks of lm-evaluation-harness, questions");
  command->add_option("model", args->model, "Run folder, saved state, or Hugging Face folder")
      ->required();
  command->group(kUseCommands);
  add_eval_perplexity(*command, *args);
  add_eval_tasks(*command, *args);
  add_eval_results(*command, *args);
  add_eval_scoring(*command, *args);
  command->option_defaults()->group("Machine");
  command->add_option("--device", args->device, "auto: a GPU where there is one")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  command->add_option("--precision", args->precision, "Of weights and activations")
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
  add_stall_timeout(*command, args->stall_timeout_s);
  command->add_option("--json", args->json, "Write the result to this file");
  add_examples(
      *command,
      {{"lckv eval runs/quickstart --perplexity validation.h5", "perplexity as trained"},
       {"lckv eval runs/quickstart --perplexity validation.h5 --forward sequential",
        "exactly, left to right"},
       {"lckv eval hf_folder --tasks hellaswag,arc_easy --task-data tasks --output results",
        "in the numbers and files of lm-evaluation-harness"},
       {"lckv eval runs/quickstart --questions q.jsonl --show 3",
        "one's own questions, three printed with answers"}},
      "4 data, also when documents of a task could not be scored (the results are written).");
  command->callback([args, &chosen] { chosen = polling(distributed("eval", args, run_eval)); });
}

}  // namespace lckv::cli
