#include "lckv/cli/command_options.h"

namespace lckv::cli {

namespace {

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
  add_examples(*train,
               {{"lckv bench train configs/quickstart.yaml", "five steps, timed"},
                {"lckv bench train run.yaml --steps 10 --json result.json --trace trace.json",
                 "with a timeline for ui.perfetto.dev"},
                {"mpirun -n 2 --bind-to none lckv bench train run.yaml",
                 "two copies: communication exposed and hidden"}});
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
  add_examples(
      *command,
      {{"lckv bench checkpoint run.yaml", "in the run's output folder"},
       {"lckv bench checkpoint run.yaml --saves 5 --folder /mnt/scratch/bench --json saves.json",
        "on another disk"}});
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
  add_stall_timeout(*command, args->stall_timeout_s);
  command->add_option("--json", args->json, "Write the result to this file");
  add_examples(*command, {{"mpirun -n 2 lckv bench comm", "two ranks of this machine"},
                          {"mpirun -n 4 lckv bench comm --max-bytes 1048576 --json comm.json",
                           "small messages, to a file"}});
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
  add_examples(*command, {{"lckv bench ops", "TinyLlama's shapes on a GPU, small ones on a CPU"},
                          {"lckv bench ops --config run.yaml --device cpu --precision fp32",
                           "the shapes of a run file"}});
  command->callback([args, &chosen] { chosen = distributed("bench ops", args, run_bench_ops); });
}

}  // namespace

void add_bench(CLI::App& app, Command& chosen) {
  CLI::App* bench = app.add_subcommand(
      "bench", "Measurements of training, generation, kernels, communication and saving");
  bench->group(kMeasureCommands);
  bench->require_subcommand(1);
  add_bench_train(*bench, chosen);
  add_bench_checkpoint(*bench, chosen);
  add_bench_comm(*bench, chosen);
  add_bench_ops(*bench, chosen);
  add_bench_generate(*bench, chosen);
  add_examples(*bench, {{"lckv bench train configs/quickstart.yaml", "training"},
                        {"lckv bench ops", "every kernel"},
                        {"mpirun -n 2 lckv bench comm", "collectives"}});
}

}  // namespace lckv::cli
