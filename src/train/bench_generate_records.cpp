#include "lckv/train/bench_generate_records.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "lckv/base/version.h"
#include "lckv/model/dims.h"
#include "lckv/model/layer_spec.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

/// "0.1.0 (6935bc9)": "6935bc9"; "" of an unknown one.
std::string build_commit() {
  const std::string version = program_version();
  const size_t open = version.find('(');
  return open == std::string::npos ? "" : version.substr(open + 1, version.size() - open - 2);
}

int64_t nanoseconds(double seconds) { return static_cast<int64_t>(seconds * 1e9); }

/// Bytes of one more token of a sequence in layers that keep all.
int64_t kv_token_bytes(const GenerateSubject& subject, DType dtype) {
  const auto layers = model::make_layer_specs(subject.model);
  const int64_t kept = std::count_if(layers.begin(), layers.end(),
                                     [](const model::LayerSpec& layer) { return layer.has_kv; });
  return kept * 2 * model::make_dims(subject.model, 1, 1).Ckv() * size_bytes(dtype);
}

Json number_or_null(double value) { return value > 0 ? Json(value) : Json(); }

/// Keys of a llama-bench row, in its order.
Json llama_bench_json(const GenerateRow& row, const GenerateMachine& machine) {
  Json ns = Json::array(), ts = Json::array();
  for (const GenerateSample& sample : row.samples) {
    ns.push_back(nanoseconds(sample.total_s()));
    ts.push_back(double(row.total_tokens()) / sample.total_s());
  }
  const Statistic elapsed = row.elapsed_s(), rate = row.total_per_s();
  return {{"build_commit", build_commit()},
          {"build_number", 0},
          {"cpu_info", machine.cpu},
          {"gpu_info", machine.gpu},
          {"backends", machine.backend},
          {"model_filename", row.subject.config},
          {"model_type", row.subject.is_plain_llama() ? "llama" : "lckv-llama"},
          {"model_size", row.memory.weights_bytes},
          {"model_n_params", row.parameters},
          {"n_batch", row.rows},
          {"n_ubatch", row.rows},
          {"n_threads", machine.threads},
          {"n_prompt", row.test.prompt_tokens},
          {"n_gen", row.test.new_tokens},
          {"n_depth", row.test.context_tokens},
          {"test_time", row.test_time},
          {"avg_ns", nanoseconds(elapsed.mean)},
          {"stddev_ns", nanoseconds(elapsed.stddev)},
          {"avg_ts", rate.mean},
          {"stddev_ts", rate.stddev},
          {"samples_ns", ns},
          {"samples_ts", ts}};
}

void add_statistic(Json& json, const std::string& key, const Statistic& value) {
  json[key] = number_or_null(value.mean);
  json["stddev_" + key] = value.mean > 0 ? Json(value.stddev) : Json();
}

Json to_json(const GenerateRow& row, const GenerateMachine& machine) {
  Json json = llama_bench_json(row, machine);
  json["version"] = program_version();
  json["test"] = row.test.label();
  json["layer_types"] = row.subject.layout();
  json["batch"] = row.batch;
  json["dtype"] = name(row.dtype);
  json["forward"] = row.forward;
  json["shared_prompt"] = row.test.shares_prompt;
  json["sampling"] = row.test.is_whole() ? "greedy" : "none";
  json["weights"] = "resident";
  add_statistic(json, "output_tokens_per_s", row.output_per_s());
  add_statistic(json, "total_tokens_per_s", row.total_per_s());
  add_statistic(json, "prefill_tokens_per_s", row.prefill_per_s());
  add_statistic(json, "decode_tokens_per_s", row.decode_per_s());
  add_statistic(json, "first_token_s", row.first_s());
  add_statistic(json, "time_per_output_token_s", row.step_s());
  json["kv_bytes"] = row.memory.kv_bytes;
  json["kv_used_bytes"] = row.kv_used_bytes;
  json["kv_bytes_per_token"] = kv_token_bytes(row.subject, row.dtype);
  json["other_bytes"] = row.memory.other_bytes;
  json["planned_bytes"] = row.memory.total_bytes();
  json["scratch_bytes"] = row.scratch_bytes;
  json["step_weights_bytes"] = row.traffic.weights_bytes;
  json["step_kv_bytes"] = row.traffic.kv_bytes;
  json["bytes_per_s"] = number_or_null(row.bytes_per_s());
  json["memory_bytes_per_s"] = machine.bytes_per_s;
  json["bytes_frac"] = number_or_null(row.bytes_per_s() / machine.bytes_per_s);
  const bool has_plan = row.plan.memory_bytes > 0;
  json["memory_limit_bytes"] = has_plan ? Json(row.plan.memory_bytes) : Json();
  json["planned_batch"] = has_plan ? Json(row.plan.planned_batch) : Json();
  json["predicted_batch"] = has_plan ? Json(row.plan.predicted_batch) : Json();
  return json;
}

Json to_json(const GeneratePlan& plan, const BenchGenerateSettings& settings) {
  const GenerateSubject& subject = settings.subjects[plan.subject];
  return {{"model_filename", subject.config},
          {"layer_types", subject.layout()},
          {"test", plan.test.label()},
          {"n_prompt", plan.test.prompt_tokens},
          {"n_gen", plan.test.new_tokens},
          {"n_depth", plan.test.context_tokens},
          {"shared_prompt", plan.test.shares_prompt},
          {"dtype", name(settings.dtype)},
          {"memory_limit_bytes", plan.memory_bytes},
          {"planned_batch", plan.planned_batch},
          {"predicted_batch", plan.predicted_batch},
          {"weights_bytes", plan.memory.weights_bytes},
          {"kv_bytes", plan.memory.kv_bytes},
          {"kv_bytes_per_token", kv_token_bytes(subject, settings.dtype)},
          {"other_bytes", plan.memory.other_bytes}};
}

/// Values that are not lists, in quotes; a quote inside is doubled.
std::string csv_line(const Json& json, bool of_keys) {
  std::string line;
  for (const auto& [key, value] : json.items()) {
    if (value.is_array()) continue;
    std::string text = of_keys             ? key
                       : value.is_string() ? value.get<std::string>()
                       : value.is_null()   ? ""
                                           : value.dump();
    for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) {
      text.insert(at, 1, '"');
    }
    line += (line.empty() ? "\"" : ",\"") + text + "\"";
  }
  return line + "\n";
}

std::string record_text(GenerateFormat format, const Json& json, bool is_first) {
  switch (format) {
    case GenerateFormat::kCsv:
      return (is_first ? csv_line(json, true) : "") + csv_line(json, false);
    case GenerateFormat::kJson:
      return (is_first ? "[\n" : ",\n") + json.dump(2);
    case GenerateFormat::kJsonLines:
      return json.dump() + "\n";
    case GenerateFormat::kMarkdown:
      break;
  }
  return "";
}

}  // namespace

std::string record_text(GenerateFormat format, const GenerateRow& row,
                        const GenerateMachine& machine, bool is_first) {
  return record_text(format, to_json(row, machine), is_first);
}

std::string record_text(GenerateFormat format, const GeneratePlan& plan,
                        const BenchGenerateSettings& settings, bool is_first) {
  return record_text(format, to_json(plan, settings), is_first);
}

}  // namespace lckv::train
