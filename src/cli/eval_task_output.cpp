#include <algorithm>
#include <filesystem>

#include <fmt/core.h>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/eval_tasks.h"
#include "lckv/eval/result_paths.h"
#include "lckv/eval/result_table.h"
#include "lckv/eval/results.h"
#include "lckv/eval/sample_log.h"
#include "lckv/train/device.h"

namespace lckv::cli {

namespace {

using nlohmann::ordered_json;

constexpr int64_t kErrorsShown = 5;
constexpr int kIndentOfFolder = 2, kIndentOfFile = 4;

std::span<const eval::Document> asked_of(const eval::TaskInput& input,
                                         const eval::TaskResult& result) {
  return std::span(input.documents).first(result.samples.size());
}

const eval::Estimate* find(std::span<const eval::MetricResult> metrics, eval::Metric metric) {
  for (const eval::MetricResult& own : metrics) {
    if (own.metric == metric) return &own.estimate;
  }
  return nullptr;
}

std::string to_text(const eval::Estimate& estimate) {
  return format("{:.4f} +- {}", estimate.value,
                estimate.std_error ? format("{:.4f}", *estimate.std_error) : "N/A");
}

void print_line(const std::string& label, int64_t scored,
                std::span<const eval::MetricResult> metrics) {
  std::string text;
  for (const eval::MetricResult& metric : metrics) {
    text +=
        format("{}{} {}", text.empty() ? "" : "   ", name(metric.metric), to_text(metric.estimate));
  }
  fmt::print("  {:<10} {:>5}  {}\n", label, scored, text);
}

/// Of one that is picked without reading.
double chance_of(std::span<const eval::Document> documents) {
  double chance = 0;
  for (const eval::Document& document : documents) {
    chance += 1.0 / static_cast<double>(document.choices.size());
  }
  return chance / static_cast<double>(documents.size());
}

void print_kinds(const eval::TaskResult& result) {
  for (const auto& [kind, own] : result.by_kind) {
    print_line(kind.empty() ? "(no kind)" : kind, own.scored, own.metrics);
  }
}

void print_questions(const Evaluation& e, const eval::TaskInput& input,
                     const eval::TaskResult& result) {
  const auto documents = asked_of(input, result);
  fmt::print("{}: {} questions, chance {:.4f} (forward {}{})\n", e.args.questions, documents.size(),
             chance_of(documents), e.mode.text(), e.grid_suffix());
  if (result.metrics.empty()) fmt::print("  no question says which answer is right\n");
  if (!result.metrics.empty()) print_line("all", result.scored, result.metrics);
  print_kinds(result);
}

/// LCKV's "Avg" is over acc_norm where a task has it, else acc; both means are of use.
void print_means(std::span<const eval::TaskResult> results) {
  double acc = 0, norm = 0;
  int64_t tasks = 0;
  for (const eval::TaskResult& result : results) {
    const eval::Estimate* own = find(result.metrics, eval::Metric::kAcc);
    if (own == nullptr || result.task->output != eval::OutputKind::kMultipleChoice) continue;
    const eval::Estimate* own_norm = find(result.metrics, eval::Metric::kAccNorm);
    acc += own->value;
    norm += own_norm != nullptr ? own_norm->value : own->value;
    ++tasks;
  }
  if (tasks < 2) return;
  const auto n = static_cast<double>(tasks);
  fmt::print("mean of {} tasks: acc {:.4f}, acc_norm where there is one {:.4f}\n", tasks, acc / n,
             norm / n);
}

void print_table(const Evaluation& e, const AnsweredTasks& answered) {
  fmt::print("{}", eval::result_table(answered.results));
  for (const eval::TaskResult& result : answered.results) {
    if (!result.by_kind.empty()) fmt::print("{} by kind:\n", result.task->name);
    print_kinds(result);
  }
  print_means(answered.results);
  fmt::print("forward {}{}\n", e.mode.text(), e.grid_suffix());
}

void tell_errors(const eval::TaskInput& input, const eval::TaskResult& result) {
  if (result.errors == 0) return;
  log_error(format("{}: {} of {} documents could not be scored and count nowhere:",
                   result.task->name, result.errors, result.samples.size()));
  int64_t shown = 0;
  for (size_t i = 0; i < result.samples.size() && shown < kErrorsShown; ++i) {
    const std::string error = result.samples[i].error();
    if (error.empty()) continue;
    log_error(format("  {}: {}", input.documents[i].place, error));
    ++shown;
  }
  if (shown < result.errors) log_error(format("  and {} more", result.errors - shown));
}

void show_samples(const Evaluation& e, const eval::TaskInput& input,
                  const eval::TaskResult& result) {
  const auto count = std::min<int64_t>(e.args.show, std::ssize(result.samples));
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
    fmt::print("{}\n", eval::to_text(input.documents[i], result.samples[i]));
  }
}

std::string torch_name(DType dtype) {
  if (dtype == DType::kBF16) return "bfloat16";
  return dtype == DType::kF64 ? "float64" : "float32";
}

eval::RunFacts facts_of(const Evaluation& e, const AskedTasks& asked,
                        const AnsweredTasks& answered) {
  eval::RunFacts facts;
  facts.model_name = e.args.model;
  facts.model_args = format("pretrained={},dtype={}", e.args.model, torch_name(e.weights.dtype()));
  facts.parameters = e.weights.table().element_count();
  facts.dtype = torch_name(e.weights.dtype());
  facts.device = name(e.device);
  facts.program_version = program_version();
  facts.environment = format("lckv {}, {}", program_version(), train::backend_name(e.device));
  facts.start = answered.start;
  facts.end = answered.end;
  facts.samples_logged = e.args.log_samples;
  const eval::RowScorer::Work& work = answered.work;
  facts.engine = {{"lckv_forward", e.mode.text()},
                  {"compat", std::string(eval::name(asked.options.compat))},
                  {"logits", e.args.logits},
                  {"kernels", train::backend_name(e.device)},
                  {"grid", to_string(e.ranks.grid)},
                  {"weights", e.source.describe()},
                  {"shares_prefixes", e.args.share_prefixes ? "true" : "false"},
                  {"row_tokens", std::to_string(work.row_tokens)},
                  {"computed_tokens", std::to_string(work.computed_tokens)},
                  {"passes", std::to_string(work.most_passes)}};
  return facts;
}

ordered_json metrics_json(std::span<const eval::MetricResult> metrics) {
  ordered_json json;
  for (const auto& [metric, estimate] : metrics) {
    const std::string key(name(metric));
    json[key] = estimate.value;
    json[key + "_stderr"] = estimate.std_error ? ordered_json(*estimate.std_error) : nullptr;
  }
  return json;
}

ordered_json task_json(const eval::TaskInput& input, const eval::TaskResult& result) {
  ordered_json json = {
      {"documents", result.samples.size()}, {"scored", result.scored}, {"errors", result.errors}};
  if (result.task->output == eval::OutputKind::kMultipleChoice) {
    json["chance"] = chance_of(asked_of(input, result));
  }
  json.update(metrics_json(result.metrics));
  for (const auto& [kind, own] : result.by_kind) {
    json["by_kind"][kind] = metrics_json(own.metrics);
    json["by_kind"][kind]["questions"] = own.scored;
  }
  return json;
}

}  // namespace

void print_answers(const Evaluation& e, const AnsweredTasks& answered) {
  for (size_t i = 0; i < answered.results.size(); ++i) {
    show_samples(e, answered.inputs[i], answered.results[i]);
  }
  if (e.args.questions.empty()) {
    print_table(e, answered);
  } else {
    print_questions(e, answered.inputs.front(), answered.results.front());
  }
  fmt::print("{}\n", to_text(answered.work));
  std::fflush(stdout);
  for (size_t i = 0; i < answered.results.size(); ++i) {
    tell_errors(answered.inputs[i], answered.results[i]);
  }
  for (const std::string& failure : answered.failures) log_error(failure);
}

void write_results(const Evaluation& e, const AskedTasks& asked, const AnsweredTasks& answered) {
  if (e.args.output.empty()) return;
  const eval::ResultPaths paths = eval::result_paths(e.args.output, e.args.model, answered.start);
  const auto folder = std::filesystem::path(paths.results).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder);
  const int indent = paths.folder.empty() ? kIndentOfFile : kIndentOfFolder;
  checkpoint::write_file_atomically(
      paths.results, eval::results_json(answered.inputs, answered.results, asked.options,
                                        *asked.tokenizer, facts_of(e, asked, answered), indent));
  for (size_t i = 0; e.args.log_samples && i < answered.results.size(); ++i) {
    checkpoint::write_file_atomically(paths.samples(answered.results[i].task->name),
                                      eval::sample_log(answered.inputs[i], answered.results[i]));
  }
  log_info(format("results in {}", paths.results));
}

ordered_json to_json(const Evaluation& e, const AskedTasks& asked, const AnsweredTasks& answered) {
  ordered_json json;
  if (e.args.questions.empty()) {
    for (size_t i = 0; i < answered.results.size(); ++i) {
      json["tasks"][answered.results[i].task->name] =
          task_json(answered.inputs[i], answered.results[i]);
    }
  } else {
    json = task_json(answered.inputs.front(), answered.results.front());
    json["questions"] = json["documents"];
    json.erase("documents");
  }
  const bool bos = asked.options.compat == eval::Compat::kLmEvalHead;
  json["forward"] = e.mode.text();
  json["compat"] = eval::name(asked.options.compat);
  json["bos"] = bos && asked.tokenizer->bos_id().has_value();
  json["shots"] = asked.options.shots;
  json["logits"] = e.args.logits;
  json["work"] = to_json(answered.work);
  return json;
}

}  // namespace lckv::cli
