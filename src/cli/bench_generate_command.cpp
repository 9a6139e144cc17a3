#include <cstdio>
#include <set>

#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/choices.h"
#include "lckv/cli/commands.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/train/bench_generate.h"
#include "lckv/train/device.h"
#include "lckv/train/precision.h"

namespace lckv::cli {

namespace {

using train::GenerateFormat;
using train::GenerateWriter;

[[noreturn]] void refuse(const std::string& why) {
  throw Error("bench generate: " + why, ExitCode::kUsage);
}

/// Every layout of every file, none twice.
std::vector<train::GenerateSubject> subjects_of(const BenchGenerateArgs& args) {
  std::vector<train::GenerateSubject> subjects;
  for (const std::string& file : args.configs) {
    const config::ModelConfig model = config::load_run(file, args.overrides).model;
    std::set<std::string> layouts;
    for (const std::string& layer_types : args.layer_types) {
      const train::GenerateSubject subject = train::with_layout(file, model, layer_types);
      if (layouts.insert(subject.layout()).second) subjects.push_back(subject);
    }
  }
  return subjects;
}

train::GenerateTests tests_of(const BenchGenerateArgs& args) {
  const std::set<std::string> names(args.tests.begin(), args.tests.end());
  return {.prefill = names.count("pp") > 0,
          .decode = names.count("tg") > 0,
          .whole = names.count("pg") > 0,
          .prompts = args.prompts,
          .generates = args.generates,
          .context_tokens = args.depth,
          .also_shared = args.shared_prompt};
}

/// "1", "4,8", "auto" (none).
std::vector<int64_t> batches_of(const std::string& text) {
  std::vector<int64_t> batches;
  if (text == "auto") return batches;
  for (const std::string& piece : split(text, ',')) {
    const bool is_number = !piece.empty() && piece.size() <= 9 &&
                           piece.find_first_not_of("0123456789") == std::string::npos &&
                           piece[0] != '0';
    if (!is_number) refuse(format("--batch '{}': expected numbers above 0, or auto", text));
    batches.push_back(std::stoll(piece));
  }
  return batches;
}

train::BenchGenerateSettings settings_of(comm::World& world, const BenchGenerateArgs& args) {
  train::BenchGenerateSettings settings;
  settings.batches = batches_of(args.batch);
  const bool needs_memory = settings.batches.empty() || args.predict;
  if (needs_memory != (args.memory_bytes > 0)) {
    refuse(needs_memory ? "--batch auto and --predict need --memory, such as 24GB"
                        : "--memory is for --batch auto and --predict");
  }
  settings.subjects = subjects_of(args);
  settings.tests = tests_of(args).list();
  if (settings.tests.empty()) refuse("--tests, --prompt and --generate leave nothing to measure");
  settings.device = train::resolve_device(world, device_named(args.device));
  settings.dtype = train::resolve_precision(precision_named(args.precision), settings.device);
  settings.prefill = args.prefill;
  settings.prompt_rows = args.prompt_rows;
  settings.memory_bytes = args.memory_bytes;
  settings.max_batch = args.max_batch;
  settings.repetitions = args.repetitions;
  settings.warms_up = args.warms_up;
  settings.seed = args.seed;
  settings.rate_s = args.rate_s;
  settings.rate_bytes = args.rate_bytes;
  return settings;
}

/// A writer and where its text goes.
struct Output {
  GenerateWriter writer;
  std::FILE* stream;

  void put(const std::string& text) const {
    std::fputs(text.c_str(), stream);
    std::fflush(stream);
  }
};

std::vector<Output> outputs_of(const BenchGenerateArgs& args,
                               const train::BenchGenerateSettings& settings) {
  std::vector<Output> outputs;
  const auto add = [&](const std::string& format_name, std::FILE* stream) {
    if (format_name == "none") return;
    const auto format = format_name == "md"     ? GenerateFormat::kMarkdown
                        : format_name == "csv"  ? GenerateFormat::kCsv
                        : format_name == "json" ? GenerateFormat::kJson
                                                : GenerateFormat::kJsonLines;
    outputs.push_back({GenerateWriter(format, settings), stream});
  };
  add(args.output, stdout);
  add(args.error_output, stderr);
  return outputs;
}

std::string whole_json(const train::BenchGenerateSettings& settings,
                       const train::BenchGenerateResult& result) {
  GenerateWriter writer(GenerateFormat::kJson, settings);
  std::string text = writer.begin(result.machine, result.plans);
  for (const train::GenerateRow& row : result.rows) text += writer.row(row);
  return text + writer.end(result.rows);
}

void predict(const BenchGenerateArgs& args, const train::BenchGenerateSettings& settings) {
  const std::vector<train::GeneratePlan> plans = train::plan_generation(settings);
  for (const Output& output : outputs_of(args, settings)) {
    output.put(output.writer.plans_alone(plans));
  }
  if (args.json.empty()) return;
  checkpoint::write_file_atomically(
      args.json, GenerateWriter(GenerateFormat::kJson, settings).plans_alone(plans));
}

}  // namespace

ExitCode run_bench_generate(comm::World& world, const BenchGenerateArgs& args) {
  comm::together(world, [&] {
    if (world.size() > 1) refuse(format("runs in one process, {} were started", world.size()));
  });
  train::use_threads(world, args.threads, /*oversubscribe=*/false);
  const train::BenchGenerateSettings settings = settings_of(world, args);
  if (args.predict) {
    predict(args, settings);
    return ExitCode::kOk;
  }
  if (settings.device.kind == DeviceKind::kCuda && !args.matmul_algorithms.empty()) {
    ops::set_gemm_tuning(args.matmul_algorithms);
  }
  std::vector<Output> outputs = outputs_of(args, settings);
  train::GenerateListener listener;
  listener.on_begin = [&](const auto& machine, const auto& plans) {
    for (Output& output : outputs) output.put(output.writer.begin(machine, plans));
  };
  listener.on_row = [&](const train::GenerateRow& row) {
    for (Output& output : outputs) output.put(output.writer.row(row));
  };
  const train::BenchGenerateResult result = train::bench_generate(settings, listener);
  for (const Output& output : outputs) output.put(output.writer.end(result.rows));
  if (!args.json.empty()) {
    checkpoint::write_file_atomically(args.json, whole_json(settings, result));
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
