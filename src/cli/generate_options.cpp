#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

void add_sampling(CLI::App& command, GenerateArgs& args) {
  command.option_defaults()->group("Sampling");
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
  command.option_defaults()->group("Length and end");
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
  command.option_defaults()->group("Prompts and cache");
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
  command.option_defaults()->group("Machine");
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
  command.add_option("--precision", args.precision, "Of weights and activations")
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
  add_stall_timeout(command, args.stall_timeout_s);
}

void add_generate_output(CLI::App& command, GenerateArgs& args) {
  command.option_defaults()->group("Tokenizer and output");
  command.add_option("--tokenizer", args.tokenizer, "When the model's folder has none");
  command.add_flag("--no-bos", args.no_bos, "No BOS in front of prompts");
  command
      .add_option("--logprobs", args.logprobs,
                  "Report so many of the likeliest tokens at each place, in JSON")
      ->check(CLI::PositiveNumber);
  command.add_flag("--json", args.json, "Print a line of JSON for each text");
  command.add_option("-o,--output", args.output, "Write these lines to a file (.jsonl)");
  auto* stream = command.add_flag("--stream", args.stream,
                                  "Print text as it comes; default for one prompt and one sample");
  command.add_flag("--no-stream", args.no_stream, "Print texts when they are whole")
      ->excludes(stream);
}

}  // namespace

void add_generate(CLI::App& app, Command& chosen) {
  auto args = std::make_shared<GenerateArgs>();
  CLI::App* command = app.add_subcommand("generate", "Continue texts");
  command->group(kUseCommands);
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
  add_generate_output(*command, *args);
  add_examples(
      *command,
      {{"lckv generate runs/quickstart --prompt 'Once upon a time'", "one text, as it comes"},
       {"lckv generate runs/quickstart --prompt Once --temperature 0 -n 64",
        "always the likeliest token"},
       {"lckv generate hf_folder --prompts prompts.jsonl --samples 4 --top-p 0.9 -o texts.jsonl",
        "four texts for each prompt of a file"},
       {"lckv generate runs/quickstart --prompt Once -n 10000 --window 512",
        "an endless text over a cache that does not grow"}});
  command->callback(
      [args, &chosen] { chosen = polling(distributed("generate", args, run_generate)); });
}

}  // namespace lckv::cli
