#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

constexpr int kMostTokens = 1 << 28;

void add_bench_generate_tests(CLI::App& command, BenchGenerateArgs& args) {
  command.option_defaults()->group("Tests");
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

void add_bench_generate_runs(CLI::App& command, BenchGenerateArgs& args) {
  command.option_defaults()->group("Runs");
  command.add_option("-r,--repetitions", args.repetitions, "Timed runs of each test")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_flag("!--no-warmup", args.warms_up, "No untimed run before");
  command.add_option("--prefill", args.prefill, "iterate (m + b passes), iterate:n, or exact")
      ->capture_default_str();
  command
      .add_option("--prompt-rows", args.prompt_rows,
                  "Tokens of prompts in one forward, but for a prompt that is longer")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

void add_bench_generate_machine(CLI::App& command, BenchGenerateArgs& args) {
  command.option_defaults()->group("Machine");
  command.add_option("--device", args.device, "auto: cuda where there is a GPU")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}))
      ->capture_default_str();
  command.add_option("--precision", args.precision, "Of weights, activations and cache")
      ->check(CLI::IsMember({"auto", "bf16", "fp32", "fp64"}))
      ->capture_default_str();
  command.add_option("--threads", args.threads, "CPU threads; 0: the cores it may use")
      ->check(CLI::Range(0, kMaxThreads));
  command.add_option("--seed", args.seed, "Of weights and tokens")->capture_default_str();
  command.add_option("--rate-seconds", args.rate_s, "Spent on each way to move memory")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command
      .add_option("--rate-bytes", args.rate_bytes,
                  "Moved there, beyond every cache; default: 1GiB on a GPU, 128MiB on a CPU")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/true))
      ->check(CLI::Range(int64_t{1} << 10, int64_t{1} << 40));
  command.add_option("--matmul-algorithms", args.matmul_algorithms,
                     "File of cuBLASLt algorithms, as of bench ops");
}

}  // namespace

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
  add_bench_generate_runs(*command, *args);
  add_bench_generate_machine(*command, *args);
  command->option_defaults()->group("Output");
  command->add_option("-o,--output", args->output, "Format on standard output")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl", "none"}))
      ->capture_default_str();
  command->add_option("--oe,--output-err", args->error_output, "Format on standard error")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl", "none"}))
      ->capture_default_str();
  command->add_option("--json", args->json, "Write the rows to this file as well");
  add_examples(*command, {{"lckv bench generate run.yaml --layer-types config --layer-types llama",
                           "the file's layout beside a plain Llama"},
                          {"lckv bench generate run.yaml -p 512,2048 -n 128 -b 1,8 -o csv",
                           "lengths and batches, as CSV"},
                          {"lckv bench generate run.yaml --batch auto --memory 24GB --predict",
                           "the largest batches, planned alone"}});
  command->callback(
      [args, &chosen] { chosen = distributed("bench generate", args, run_bench_generate); });
}

}  // namespace lckv::cli
