#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lckv/eval/document.h"

namespace lckv::eval {

class JsonRecord;

/// What is asked of a model about a document.
enum class OutputKind {
  kMultipleChoice,  // which prompt of several is the likeliest
  kLoglikelihood,   // how likely the one prompt is, and whether greedy decoding finds it
  kRolling          // how likely a whole page is
};
/// "multiple_choice", "loglikelihood", "loglikelihood_rolling": the harness's names.
std::string_view name(OutputKind kind);

enum class Metric { kAcc, kAccNorm, kPerplexity, kWordPerplexity, kBytePerplexity, kBitsPerByte };
/// "acc", "word_perplexity": the harness's names.
std::string_view name(Metric metric);
bool higher_is_better(Metric metric);
/// How values of documents become one: "mean", "perplexity".
std::string_view aggregation(Metric metric);

/// One row of spec/evaluation.md 1.2; names and versions are those of lm-evaluation-harness v0.4.5.
struct Task {
  std::string name = "";
  double version = 1.0;
  std::string dataset_path = "";  // Hugging Face's, "" where there is none
  std::string dataset_name = "";  // its configuration, "" for the only one
  std::string split = "test";     // that is evaluated: "test" where the task declares one
  bool labels_beside = false;  // where lines have no label, valid-labels.lst beside valid.jsonl has
  OutputKind output = OutputKind::kMultipleChoice;
  std::vector<Metric> metrics = {};
  Document (*read)(const JsonRecord&) = nullptr;

  bool has_test_split() const { return split == "test"; }
};

/// The ten tasks of the specification, then "questions": our own format (raw_formats.h).
const std::vector<Task>& all_tasks();

/// Throws ConfigError with the nearest name when there is none of this one.
const Task& find_task(std::string_view name);

}  // namespace lckv::eval
