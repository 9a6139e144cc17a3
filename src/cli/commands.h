#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/comm/world.h"

namespace lckv::cli {

/// Options of each command as plain values: parse.cpp fills them, one file per command uses them.
struct TokenizeArgs {
  std::vector<std::string> inputs;
  std::string output;
  std::string tokenizer;  // "bytes", a .model file, or a token store; "" with train_sentencepiece
  int64_t train_sentencepiece = 0;  // vocabulary to train first; 0: none
  std::string field = "text";
  std::string documents = "file";  // of .txt: file | lines
  bool no_bos = false;
  bool eos = false;
  double validation_frac = 0;
  std::string validation_output;
  int threads = 0;
  uint64_t seed = 42;
};

struct InspectArgs {
  std::string path;
  bool verify = true;
  int64_t show_tokens = 40;
};

struct RunFileArgs {
  std::string config;
  std::vector<std::string> overrides;
};

struct PlanArgs {
  RunFileArgs run;
  int ranks = 0;  // of a grid to plan for; 0: parallel.tensor times parallel.data (auto: 1)
};

struct EvalArgs {
  std::string
      model;  // Hugging Face folder, or a run's folder (newest state), or one state's folder
  std::string perplexity;  // token store
  std::string questions;   // JSONL of multiple-choice questions
  std::string tokenizer;   // for questions, when the model folder has none
  std::string forward;     // iterate:n | sequential; "": iterate:(m+b)
  std::string device = "auto";
  std::string precision = "auto";
  int64_t sequence_tokens = 0;  // 0: the run's, or max_position_embeddings
  int64_t batch_sequences = 4;
  int64_t max_tokens = 0;
  int64_t show = 0;  // questions printed with the model's answers
  int threads = 0;
  int64_t tensor = 1;  // ranks that share one copy of the model; the others take turns
  bool oversubscribe = false;
  std::string json;  // result file
};

/// How a Hugging Face folder is written.
struct HfOutputArgs {
  std::string dtype;  // bf16 | fp32; "": the source's, of a run bf16
  int64_t file_bytes = 5'000'000'000;
  bool overwrite = false;
};

struct ExportArgs {
  std::string source;  // run's folder, saved state, or Hugging Face folder
  std::string output;
  std::string tokenizer;
  HfOutputArgs output_options;
};

struct ImportArgs {
  std::string folder;
  std::string output;
  std::string layer_types;
  std::optional<int64_t> forward_passes;
  std::optional<int64_t> backward_passes;
  std::optional<int64_t> sliding_window;
  bool force_nodiag = false;
  std::string config;  // run file whose model is wanted, instead of the above
  std::string kv = "copy";
  HfOutputArgs output_options;
};

struct CheckpointListArgs {
  std::string folder;  // a run's, or one state's
  bool verify = false;
  bool json = false;
};

struct CheckpointShowArgs {
  std::string folder;  // one state's, or a run's (its newest)
  bool tensors = false;
  bool json = false;
};

struct CheckpointVerifyArgs {
  std::vector<std::string> folders;
  bool json = false;
};

struct CheckpointPruneArgs {
  std::string folder;
  int64_t keep_last = 0;
  int64_t keep_every_steps = 0;
  bool dry_run = false;
};

struct BenchTrainArgs {
  std::string config;
  std::vector<std::string> overrides;
  int64_t steps = 5;
  int64_t warmup_steps = 1;
  double gemm_s = 5;
  std::string json;
  std::string trace;  // Chrome trace of one step on all ranks
};

struct BenchCheckpointArgs {
  RunFileArgs run;
  int64_t steps = 5;
  int64_t warmup_steps = 1;
  int64_t saves = 3;   // of each kind
  std::string folder;  // "": one in the run's output
  std::string json;
};

struct BenchCommArgs {
  int64_t max_bytes = int64_t{64} << 20;
  double budget_s = 0.3;  // spent on each collective and size
  std::string json;
};

struct BenchOpsArgs {
  std::string config;  // run file whose shapes are taken; "": TinyLlama's, on a CPU small ones
  int64_t rows = 0;    // 0: those of its micro-batch
  std::string device = "auto";
  std::string precision = "auto";
  int threads = 0;
  double budget_s = 0.2;          // spent on each op and shape
  std::string matmul_algorithms;  // file of ops::set_gemm_tuning(); "": cuBLASLt's first proposals
  std::string json;
};

ExitCode run_tokenize(const TokenizeArgs& args);
ExitCode run_inspect(const InspectArgs& args);
ExitCode run_train(comm::World& world, const RunFileArgs& args);
ExitCode run_plan(const PlanArgs& args);
ExitCode run_eval(comm::World& world, const EvalArgs& args);
ExitCode run_export(const ExportArgs& args);
ExitCode run_import(const ImportArgs& args);
/// list and verify: kCheckFailed when anything is damaged.
ExitCode run_checkpoint_list(const CheckpointListArgs& args);
ExitCode run_checkpoint_show(const CheckpointShowArgs& args);
ExitCode run_checkpoint_verify(const CheckpointVerifyArgs& args);
ExitCode run_checkpoint_prune(const CheckpointPruneArgs& args);
ExitCode run_bench_train(comm::World& world, const BenchTrainArgs& args);
ExitCode run_bench_checkpoint(comm::World& world, const BenchCheckpointArgs& args);
ExitCode run_bench_comm(comm::World& world, const BenchCommArgs& args);
ExitCode run_bench_ops(comm::World& world, const BenchOpsArgs& args);

/// Parses the command line and runs the command. Prints errors on stderr as "lckv: message".
/// Returns the exit code.
int run_program(int argc, const char* const* argv);

}  // namespace lckv::cli
