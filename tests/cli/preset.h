#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <string>
#include <vector>

#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/model/flops.h"
#include "lckv/model/memory_report.h"
#include "lckv/model/parameters.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_scratch.h"
#include "lckv/train/run_setup.h"

namespace lckv::test {

/// A run file of configs/ and what a plan of it says. Its comments hold lines of figures,
/// "# Cost: ", "# Memory: " and "# Time: ", which must be what the functions below make of the
/// configuration.
struct Preset {
  std::string path;  // below configs/, without .yaml
  std::string text;
  config::RunConfig run;
};

inline std::filesystem::path configs_folder() {
  return std::filesystem::path(LCKV_SOURCE_DIR) / "configs";
}

inline std::string read_all(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The preset, or another text in its place.
inline Preset load_preset(const std::string& path, const std::string& text) {
  return {path, text, config::parse_run(text, (configs_folder() / (path + ".yaml")).string())};
}

inline Preset load_preset(const std::string& path) {
  return load_preset(path, read_all(configs_folder() / (path + ".yaml")));
}

inline std::vector<std::string> preset_paths() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(configs_folder())) {
    if (entry.path().extension() != ".yaml") continue;
    std::filesystem::path path = entry.path().lexically_relative(configs_folder());
    paths.push_back(path.replace_extension().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// The rest of the comment line that begins with `label`, "" if there is none.
inline std::string comment(const Preset& preset, const std::string& label) {
  std::istringstream lines(preset.text);
  const std::string begin = "# " + label + ": ";
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(begin)) return line.substr(begin.size());
  }
  return "";
}

inline model::Dims dims_of(const config::RunConfig& run) {
  return model::make_dims(run.model, 1, run.data.sequence_tokens);
}

inline model::Plan plan_of(const config::ModelConfig& model,
                           const model::PlanOptions& options = {}) {
  return model::build_plan(model::make_layer_specs(model), static_cast<int>(model.forward_passes),
                           static_cast<int>(model.backward_passes), options);
}

inline double training_flops(const config::RunConfig& run) {
  return model::executed_flops(plan_of(run.model), dims_of(run)).total();
}

/// Of encoding a prompt of sequence_tokens, per token, without head and without the few rows whose
/// logits are wanted.
inline double prefill_flops(config::ModelConfig model, const model::Dims& dims) {
  model::PlanOptions options;
  options.training = false;
  options.fills_cache = true;
  options.selects_rows = true;
  model::Plan plan = plan_of(model, options);
  for (model::Cell& cell : plan.cells) {
    if (cell.selects_rows) cell.runs_block = cell.runs_attention = false;
  }
  const model::Flops flops = model::executed_flops(plan, dims).forward;
  return flops.total() - flops.head;
}

inline double prefill_ratio(const config::RunConfig& run) {
  config::ModelConfig llama = run.model;
  llama.layer_types.clear();
  return prefill_flops(run.model, dims_of(run)) / prefill_flops(llama, dims_of(run));
}

inline double training_ratio(const config::RunConfig& run) {
  return training_flops(run) / model::useful_flops(dims_of(run)).total();
}

inline int64_t parameter_count(const config::RunConfig& run) {
  return model::make_parameter_table(run.model).element_count();
}

inline int64_t kv_layers(const config::RunConfig& run) {
  int64_t count = 0;
  for (const model::LayerSpec& layer : model::make_layer_specs(run.model)) count += layer.has_kv;
  return count;
}

inline int64_t kv_bytes_per_token(const config::RunConfig& run) {
  return kv_layers(run) * 2 * dims_of(run).Ckv() * 2;
}

inline std::string cost_text(const config::RunConfig& run) {
  return format(
      "{:.2f} MFLOP per token in training, {:.2f} x Llama; {} parameters; KV cache {} bytes per "
      "token in bf16",
      training_flops(run) / 1e6, training_ratio(run), with_thousands(parameter_count(run)),
      with_thousands(kv_bytes_per_token(run)));
}

/// GiB of a GPU, or of a small machine.
inline double device_gib(const std::string& device) {
  static const std::map<std::string, double> gib = {{"CPU", 8},   {"RTX 3090", 24}, {"A100", 79},
                                                    {"A800", 79}, {"H100", 79},     {"H200", 139}};
  return gib.at(device);
}

/// Of one rank of a training run.
inline double training_bytes(const config::RunConfig& run, int ranks, const std::string& device) {
  comm::Communicators grid = train::planned_grid(run, ranks, /*rank=*/0);
  grid.over_nccl = ranks > 1;
  const bool is_cpu = device == "CPU";
  const Device place{is_cpu ? DeviceKind::kCpu : DeviceKind::kCuda, 0};
  const DType dtype = is_cpu ? DType::kF32 : DType::kBF16;
  const Arena memory = train::plan_run_memory(run, dtype, grid, place);
  return static_cast<double>(
      model::memory_report(memory, train::plan_run_scratch(run, dtype, grid, place)).total_bytes);
}

/// bf16 weights, and their cache for so many sequences of so many tokens.
inline double weight_bytes(const config::RunConfig& run) {
  return 2.0 * double(parameter_count(run));
}
inline double cache_bytes(const config::RunConfig& run, int64_t sequences, int64_t tokens) {
  return double(kv_bytes_per_token(run)) * double(sequences) * double(tokens);
}

/// "50 340 352" as a number.
inline int64_t number(std::string text) {
  std::erase(text, ' ');
  return std::stoll(text);
}

/// What the comments' memory line adds up to, and the tokens/s of the time line.
inline std::string memory_cell(const Preset& preset) {
  const std::string memory = comment(preset, "Memory");
  std::smatch given;
  if (std::regex_match(memory, given, std::regex(".* for ([0-9 ]+) x ([0-9 ]+) tokens on .*"))) {
    const double cache = cache_bytes(preset.run, number(given[1]), number(given[2]));
    return human_bytes(weight_bytes(preset.run) + cache);
  }
  return memory.substr(0, memory.find(" on each of"));
}
inline std::string rate_cell(const Preset& preset) {
  const std::string time = comment(preset, "Time");
  std::smatch given;
  if (!std::regex_match(time, given, std::regex(".* at ([0-9 ]+) tokens/s of (.*)"))) return "-";
  return given[1].str() + (given[2] == "one H200" ? "" : " (CPU)");
}

/// One row of the table in configs/README.md, up to the column that people write.
inline std::string table_row(const Preset& preset) {
  return format(
      "| [{0}]({0}.yaml) | {1} of {2} | {3} | {4:.2f} | {5:.2f} | {6:.2f} | {7} | {8} | {9} |",
      preset.path, kv_layers(preset.run), preset.run.model.num_hidden_layers,
      with_thousands(parameter_count(preset.run)), training_flops(preset.run) / 1e6,
      training_ratio(preset.run), prefill_ratio(preset.run),
      with_thousands(kv_bytes_per_token(preset.run)), memory_cell(preset), rate_cell(preset));
}

}  // namespace lckv::test
