#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lckv/config/model.h"
#include "lckv/infer/decode_traffic.h"
#include "lckv/infer/static_batch.h"

namespace lckv::train {

/// A model of random weights.
struct GenerateSubject {
  std::string config;  // file it is of
  config::ModelConfig model;

  /// "llama" for a plain Llama, else its layer_types.
  std::string layout() const;
  bool is_plain_llama() const;
};

/// `config` with another layout: "llama" (each layer its own keys and values), "config" (as it is),
/// or layer_types. Throws ConfigError for what these layers cannot have.
GenerateSubject with_layout(const std::string& file, const config::ModelConfig& config,
                            const std::string& layer_types);

/// What is timed, of every sequence of a batch.
struct GenerateTest {
  int64_t prompt_tokens = 0;   // encoded
  int64_t new_tokens = 0;      // generated, or decoded where there is no prompt
  int64_t context_tokens = 0;  // in the cache before; not timed
  bool shares_prompt = false;  // prompt and context are one for the batch

  /// Prompt and generation in one, the paper's "x+y": tokens are chosen too. Elsewhere they are
  /// random.
  bool is_whole() const { return prompt_tokens > 0 && new_tokens > 0; }
  /// Decoding steps; the first new token of a prompt comes from its encoding.
  int64_t steps() const { return is_whole() ? new_tokens - 1 : new_tokens; }
  /// As llama-bench has it: "pp512", "tg128", "pp512+tg128", "tg128 @ d512".
  std::string label() const;
};

/// Which tests there are.
struct GenerateTests {
  bool prefill = true, decode = true, whole = true;
  std::vector<int64_t> prompts = {512}, generates = {128};  // 0: no such test
  int64_t context_tokens = 0;
  bool also_shared = false;  // every test with a prompt or context once more with one for all

  /// Every prompt, every generation, every pair of them.
  std::vector<GenerateTest> list() const;
};

struct BenchGenerateSettings {
  std::vector<GenerateSubject> subjects;
  DType dtype = DType::kF32;
  Device device;
  std::vector<GenerateTest> tests;
  std::string prefill = "iterate";  // or "iterate:n", "exact"
  int64_t prompt_rows = 2048;       // StaticBatch::Options::prompt_rows
  std::vector<int64_t> batches = {1};
  // > 0: instead of `batches`, every subject's largest batch in so much memory, and at the smallest
  // of those of all subjects, where all can be compared
  int64_t memory_bytes = 0;
  int64_t max_batch = 0;  // larger ones are planned but not measured; 0: no limit
  int64_t repetitions = 5;
  bool warms_up = true;  // the prompt and one new token, untimed
  uint64_t seed = 42;
  int64_t rate_bytes = 0;  // of the memory rate; 0: 1 GiB on a GPU, 128 MiB on a CPU
  double rate_s = 0.2;     // spent on each of its three ways
};

/// The largest batch of a subject.
struct GeneratePlan {
  size_t subject = 0;
  GenerateTest test;
  int64_t memory_bytes = 0;
  int64_t planned_batch = 0;    // by the allocator
  int64_t predicted_batch = 0;  // in closed form, as a check
  infer::BatchMemory memory;    // of the planned one
};

/// Of every test and subject. Allocates nothing but bookkeeping. Throws ConfigError when a sequence
/// is longer than the model's positions, or when one alone does not fit.
std::vector<GeneratePlan> plan_generation(const BenchGenerateSettings& settings);

struct GenerateMachine {
  std::string backend;  // "cpu avx512", "cuda on NVIDIA H200 (...)"
  std::string cpu, gpu;
  int threads = 0;
  double bytes_per_s = 0;  // of its memory, measured in this run
};

/// Seconds of one repetition. A time ends when the device has done its work.
struct GenerateSample {
  double prompt_s = 0, decode_s = 0;

  double total_s() const { return prompt_s + decode_s; }
};

struct Statistic {
  double mean = 0;
  double stddev = 0;  // of a sample: n - 1; 0 of a single one
};
Statistic statistic(const std::vector<double>& values);

struct GenerateRow {
  GenerateSubject subject;
  GenerateTest test;
  int64_t batch = 0;
  std::string forward;  // "iterate:9", "exact"; "" where nothing is encoded
  DType dtype = DType::kF32;
  int64_t parameters = 0;
  int64_t rows = 0;  // tokens of one forward, at most
  infer::BatchMemory memory;
  int64_t kv_used_bytes = 0;     // of pages with tokens, at the end
  int64_t scratch_bytes = 0;     // of kernels, in no plan
  infer::DecodeTraffic traffic;  // of a decoding step, mean of the steps
  GeneratePlan plan;             // memory_bytes 0: the batch was given
  std::string test_time;         // RFC 3339, UTC, of its beginning
  std::vector<GenerateSample> samples;

  int64_t encoded_tokens() const;
  int64_t output_tokens() const { return batch * test.new_tokens; }
  int64_t total_tokens() const { return encoded_tokens() + output_tokens(); }
  // Per repetition, then their mean.
  Statistic elapsed_s() const;
  Statistic total_per_s() const;    // encoded and output tokens
  Statistic output_per_s() const;   // over prompt and generation
  Statistic prefill_per_s() const;  // 0 without a prompt
  Statistic decode_per_s() const;   // of the steps alone; 0 without any
  Statistic first_s() const;        // until every sequence has its first token; 0 without a prompt
  Statistic step_s() const;         // per output token after the first of each sequence
  double bytes_per_s() const;       // of decoding steps; 0 without any
  /// Measured at its own largest batch.
  bool is_at_capacity() const { return plan.memory_bytes > 0 && batch == plan.planned_batch; }
};

struct BenchGenerateResult {
  GenerateMachine machine;
  std::vector<GeneratePlan> plans;  // where memory_bytes > 0
  std::vector<GenerateRow> rows;
};

/// Told of every part as soon as it is there.
struct GenerateListener {
  std::function<void(const GenerateMachine&, const std::vector<GeneratePlan>&)> on_begin;
  std::function<void(const GenerateRow&)> on_row;
};

/// Prefill and decoding of every subject on random weights and tokens, one process, one device.
/// Throws as plan_generation() does, also for batches that were given.
BenchGenerateResult bench_generate(const BenchGenerateSettings& settings,
                                   const GenerateListener& listener = {});

enum class GenerateFormat : uint8_t { kMarkdown, kCsv, kJson, kJsonLines };

/// Writes a result as it comes, in one of the formats: begin, each row, end. With plans alone
/// (`lckv bench generate --predict`) they are the rows.
class GenerateWriter {
 public:
  GenerateWriter(GenerateFormat format, const BenchGenerateSettings& settings)
      : format_(format), settings_(settings) {}

  std::string begin(const GenerateMachine& machine, const std::vector<GeneratePlan>& plans);
  std::string row(const GenerateRow& row);
  std::string end(const std::vector<GenerateRow>& rows) const;
  std::string plans_alone(const std::vector<GeneratePlan>& plans) const;

 private:
  const GenerateFormat format_;
  const BenchGenerateSettings settings_;
  GenerateMachine machine_;
  bool is_first_ = true;
};

/// What every layout gains over a plain Llama at equal memory and at equal batch, and why; "" when
/// there is nothing to compare.
std::string compare_layouts(const std::vector<GenerateRow>& rows);

}  // namespace lckv::train
