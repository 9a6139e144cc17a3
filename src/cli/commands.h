#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/comm/world.h"

namespace lckv::cli {

/// Options of each command as plain values: <command>_options.cpp fills them,
/// <command>_command.cpp uses them.
struct TokenizeArgs {
  std::vector<std::string> inputs;
  std::string output;
  std::string tokenizer;            // of load_tokenizer(), or what train_sentencepiece writes
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
  std::optional<std::string> svg;  // file for the picture
  int ranks = 0;  // of a grid to plan for; 0: parallel.tensor times parallel.data (auto: 1)
};

struct EvalArgs {
  std::string
      model;  // Hugging Face folder, or a run's folder (newest state), or one state's folder
  std::string perplexity;                              // token store, or text
  std::string perplexity_mode = "nonoverlap";          // PerplexityMode::text()
  std::string questions;                               // JSONL of multiple-choice questions
  std::vector<std::string> tasks;                      // names; one text may hold several
  std::string task_data;                               // folder of their files
  std::vector<std::string> task_files, fewshot_files;  // TASK=FILE
  int64_t num_fewshot = 0;
  std::optional<double> limit;       // documents of each task
  std::string compat;                // lmeval-0.4.5 | lmeval-head; "": that, of questions this
  std::string logits = "fp32";       // bf16: rounded to it
  int64_t bootstrap_iters = 100000;  // 0: perplexity of a task has no standard error
  std::string output;                // results as the harness writes them: folder, or .json
  bool log_samples = false;
  bool dry_run = false;
  std::string tokenizer;  // of texts, when the model folder has none
  std::string forward;    // iterate:n | sequential | converge:eps; "": iterate:(m+b), or as
                          // the model's use_sequential says
  std::string device = "auto";
  std::string precision = "auto";
  int64_t sequence_tokens = 0;  // 0: the run's, or max_position_embeddings
  int64_t batch_sequences = 4;  // of one forward over a token store
  int64_t batch_tokens = 0;     // of one forward over rows; 0: 2048, of a text --batch sequences
  bool share_prefixes = true;   // of rows
  int64_t max_tokens = 0;
  int64_t show = 0;  // documents printed with the model's answers
  int threads = 0;
  int64_t tensor = 1;  // ranks that share one copy of the model; the others take turns
  bool oversubscribe = false;
  double stall_timeout_s = 600;  // that ranks wait for one that gives no sign of life; 0: for ever
  std::string json;              // result file
};

struct GenerateArgs {
  std::string model;                 // as of EvalArgs
  std::vector<std::string> prompts;  // texts
  std::string prompts_file;          // .txt, one per line, or .jsonl
  std::string tokenizer;             // when the model's folder has none
  bool no_bos = false;
  std::optional<int64_t> max_new_tokens;  // none: 128, or what the context leaves
  int64_t min_new_tokens = 0;
  double temperature = 1;
  int64_t top_k = 0;
  double top_p = 1;
  double min_p = 0;
  double repetition_penalty = 1;
  int64_t repeat_last_n = -1;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  std::optional<std::string> samplers;  // filters in their order, a;b;c
  uint64_t seed = 42;
  int64_t samples = 1;
  std::vector<std::string> stops;
  std::vector<int64_t> stop_ids;
  bool ignore_eos = false;
  std::string prefill = "iterate";  // iterate:n | exact
  int64_t prefill_chunk = 0;        // 0: whole prompts
  std::optional<int64_t> sinks;
  int64_t window = 0;        // 0: none
  int64_t batch = 0;         // 0: as many as there are, within bounds
  int64_t memory_bytes = 0;  // 0: as much as the requests need
  std::string device = "auto";
  std::string precision = "auto";
  int threads = 0;
  int64_t tensor = 1;
  bool oversubscribe = false;
  double stall_timeout_s = 600;  // that ranks wait for one that gives no sign of life; 0: for ever
  int64_t logprobs = 0;
  bool json = false;
  std::optional<std::string> output;  // JSONL file
  bool stream = false, no_stream = false;
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
  double budget_s = 0.3;         // spent on each collective and size
  double stall_timeout_s = 600;  // that ranks wait for one that gives no sign of life; 0: for ever
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

struct BenchGenerateArgs {
  std::vector<std::string> configs;  // run files whose models are measured
  std::vector<std::string> overrides;
  std::vector<std::string> layer_types = {"config"};  // layouts of each: "config", "llama", or one
  std::vector<std::string> tests = {"pp", "tg", "pg"};
  std::vector<int64_t> prompts = {512}, generates = {128};  // tokens; 0: none
  int64_t depth = 0;                                        // tokens in the cache before
  std::string batch = "1";                                  // sequences: "1,8", or "auto"
  int64_t memory_bytes = 0;                                 // for auto; 0: not given
  int64_t max_batch = 0;                                    // measured at most; 0: no limit
  bool predict = false;                                     // nothing is measured
  bool shared_prompt = false;  // also with one prompt for all sequences
  int64_t repetitions = 5;
  bool warms_up = true;
  std::string prefill = "iterate";
  int64_t prompt_rows = 2048;  // tokens of prompts in one forward
  std::string device = "auto";
  std::string precision = "auto";
  int threads = 0;
  uint64_t seed = 42;
  double rate_s = 0.2;            // spent on each way to move memory
  int64_t rate_bytes = 0;         // moved there; 0: 1 GiB on a GPU, 128 MiB on a CPU
  std::string matmul_algorithms;  // as of BenchOpsArgs
  std::string output = "md", error_output = "none";  // md | csv | json | jsonl | none
  std::string json;
};

struct DoctorArgs {
  bool nodes = false;             // the check of several ranks
  bool quick = false;             // nothing is measured
  std::optional<double> seconds;  // of all measurements
  std::optional<std::string> output;
  double need_gib = 0;  // free there; 0: not said
  double min_rate_frac = 0.8;
  double max_skew_s = 1;
  bool json = false;
};

struct CompletionArgs {
  std::string shell;  // bash | zsh | fish
};

struct ReportArgs {
  std::vector<std::string> runs;  // their folders
  std::string output = "report.html";
  std::string across = "steps";  // steps | tokens: the charts' x axis
  std::string title;             // "": the runs' names
};

ExitCode run_tokenize(const TokenizeArgs& args);
ExitCode run_inspect(const InspectArgs& args);
ExitCode run_train(comm::World& world, const RunFileArgs& args);
ExitCode run_plan(const PlanArgs& args);
ExitCode run_eval(comm::World& world, const EvalArgs& args);
ExitCode run_generate(comm::World& world, const GenerateArgs& args);
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
ExitCode run_bench_generate(comm::World& world, const BenchGenerateArgs& args);
ExitCode run_completion(const CompletionArgs& args);
ExitCode run_report(const ReportArgs& args);
/// Both: kCheckFailed when something is wrong that training needs.
ExitCode run_doctor(const DoctorArgs& args);
ExitCode run_doctor_nodes(comm::World& world, const DoctorArgs& args);

}  // namespace lckv::cli
