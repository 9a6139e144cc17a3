#include "lckv/train/bench_generate.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <optional>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/model/init.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/bench_generate_plan.h"
#include "lckv/train/device.h"
#include "lckv/train/memory_rate.h"
#include "lckv/train/model_source.h"
#include "lckv/train/timed_batch.h"

namespace lckv::train {

namespace {

LoadedWeights random_weights(const config::ModelConfig& config, DType dtype, Device device,
                             uint64_t seed) {
  LoadedWeights loaded(model::make_parameter_table(config), dtype, device);
  for (const model::Parameter& parameter : loaded.weights.table().parameters) {
    const View there = loaded.weights.view(parameter);
    const Buffer here(dtype, there.shape());
    model::initialize(parameter, here.view(), config, seed);
    set_from_host(there, here.view());
  }
  return loaded;
}

/// "2026-11-26T18:00:00Z"
std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

GenerateRow measure(const BenchGenerateSettings& settings, const GenerateCase& of,
                    const model::ParameterSet& weights) {
  GenerateRow row;
  row.test_time = utc_now();
  row.subject = settings.subjects[of.subject];
  row.test = of.test;
  row.batch = of.batch;
  row.plan = of.plan;
  row.dtype = settings.dtype;
  row.parameters = weights.table().element_count();
  const auto options = batch_options(settings, row.subject, of.test, of.batch);
  const int64_t steps = of.test.steps();
  TimedBatch timed(row.subject.model, options, weights, settings.device, settings.seed);
  row.rows = options.rows();
  if (options.begun_tokens() > 0) row.forward = options.prefill.text(options.part_tokens());
  row.memory = infer::plan_batch(row.subject.model, options, settings.device);
  row.traffic = timed.traffic(steps);
  if (settings.warms_up) timed.run(std::min<int64_t>(1, steps));
  for (int64_t i = 0; i < settings.repetitions; ++i) row.samples.push_back(timed.run(steps));
  row.kv_used_bytes = timed.batch().cache().used_bytes();
  row.scratch_bytes = timed.scratch_bytes();
  return row;
}

/// "" where the system does not tell.
std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

/// Before minutes are spent on smaller batches.
void require_free(const BenchGenerateSettings& settings) {
  if (settings.device.kind == DeviceKind::kCpu) return;
  const int64_t free_bytes = cuda::device_facts(settings.device.index).free_bytes;
  if (settings.memory_bytes <= free_bytes) return;
  throw ConfigError(format(
      "--memory: {} bytes are more than the {} that are free on {}; kernels take some beside",
      with_thousands(settings.memory_bytes), with_thousands(free_bytes), name(settings.device)));
}

GenerateMachine describe_machine(const BenchGenerateSettings& settings) {
  const bool is_gpu = settings.device.kind == DeviceKind::kCuda;
  const int64_t bytes =
      settings.rate_bytes > 0 ? settings.rate_bytes : int64_t{is_gpu ? 1024 : 128} << 20;
  Stream stream(settings.device);
  return {.backend = backend_name(settings.device),
          .cpu = cpu_name(),
          .gpu = is_gpu ? cuda::device_facts(settings.device.index).name : "",
          .threads = ops::cpu_threads(),
          .bytes_per_s = measure_memory_rate(stream, bytes, settings.rate_s)};
}

}  // namespace

BenchGenerateResult bench_generate(const BenchGenerateSettings& settings,
                                   const GenerateListener& listener) {
  BenchGenerateResult result;
  if (settings.memory_bytes > 0) result.plans = plan_generation(settings);
  const std::vector<GenerateCase> cases = list_generate_cases(settings, result.plans);
  for (const GenerateCase& one : cases) {  // what cannot be is said before anything is measured
    batch_options(settings, settings.subjects[one.subject], one.test, one.batch);
  }
  require_free(settings);
  result.machine = describe_machine(settings);
  if (listener.on_begin) listener.on_begin(result.machine, result.plans);
  std::optional<LoadedWeights> loaded;
  for (size_t i = 0; i < cases.size(); ++i) {
    if (i == 0 || cases[i].subject != cases[i - 1].subject) {
      loaded.reset();
      loaded.emplace(random_weights(settings.subjects[cases[i].subject].model, settings.dtype,
                                    settings.device, settings.seed));
    }
    result.rows.push_back(measure(settings, cases[i], loaded->weights));
    if (listener.on_row) listener.on_row(result.rows.back());
  }
  return result;
}

}  // namespace lckv::train
