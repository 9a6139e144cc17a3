#include "lckv/eval/task.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/raw_formats.h"
#include "lckv/eval/text_edit.h"

namespace lckv::eval {

namespace {

const std::vector<Metric> kAccuracy = {Metric::kAcc};
const std::vector<Metric> kAccuracies = {Metric::kAcc, Metric::kAccNorm};

std::vector<Task> make_tasks() {
  return {
      {.name = "hellaswag",
       .dataset_path = "hellaswag",
       .split = "validation",
       .metrics = kAccuracies,
       .read = read_hellaswag},
      {.name = "openbookqa",
       .dataset_path = "openbookqa",
       .dataset_name = "main",
       .metrics = kAccuracies,
       .read = read_openbookqa},
      {.name = "winogrande",
       .dataset_path = "winogrande",
       .dataset_name = "winogrande_xl",
       .split = "validation",
       .metrics = kAccuracy,
       .read = read_winogrande},
      {.name = "arc_easy",
       .dataset_path = "allenai/ai2_arc",
       .dataset_name = "ARC-Easy",
       .metrics = kAccuracies,
       .read = read_arc},
      {.name = "arc_challenge",
       .dataset_path = "allenai/ai2_arc",
       .dataset_name = "ARC-Challenge",
       .metrics = kAccuracies,
       .read = read_arc},
      {.name = "boolq",
       .version = 2.0,
       .dataset_path = "super_glue",
       .dataset_name = "boolq",
       .split = "validation",
       .metrics = kAccuracy,
       .read = read_boolq},
      {.name = "piqa",
       .dataset_path = "piqa",
       .split = "validation",
       .labels_beside = true,
       .metrics = kAccuracies,
       .read = read_piqa},
      {.name = "sciq", .dataset_path = "sciq", .metrics = kAccuracies, .read = read_sciq},
      {.name = "lambada_openai",
       .dataset_path = "EleutherAI/lambada_openai",
       .dataset_name = "default",
       .output = OutputKind::kLoglikelihood,
       .metrics = {Metric::kPerplexity, Metric::kAcc},
       .read = read_lambada},
      {.name = "wikitext",
       .version = 2.0,
       .dataset_path = "EleutherAI/wikitext_document_level",
       .dataset_name = "wikitext-2-raw-v1",
       .output = OutputKind::kRolling,
       .metrics = {Metric::kWordPerplexity, Metric::kBytePerplexity, Metric::kBitsPerByte},
       .read = read_wikitext},
      {.name = "questions", .metrics = kAccuracies, .read = read_question},
  };
}

}  // namespace

std::string_view name(OutputKind kind) {
  switch (kind) {
    case OutputKind::kMultipleChoice:
      return "multiple_choice";
    case OutputKind::kLoglikelihood:
      return "loglikelihood";
    case OutputKind::kRolling:
      return "loglikelihood_rolling";
  }
  return "";
}

std::string_view name(Metric metric) {
  switch (metric) {
    case Metric::kAcc:
      return "acc";
    case Metric::kAccNorm:
      return "acc_norm";
    case Metric::kPerplexity:
      return "perplexity";
    case Metric::kWordPerplexity:
      return "word_perplexity";
    case Metric::kBytePerplexity:
      return "byte_perplexity";
    case Metric::kBitsPerByte:
      return "bits_per_byte";
  }
  return "";
}

bool higher_is_better(Metric metric) {
  return metric == Metric::kAcc || metric == Metric::kAccNorm;
}

std::string_view aggregation(Metric metric) {
  switch (metric) {
    case Metric::kAcc:
    case Metric::kAccNorm:
      return "mean";
    case Metric::kPerplexity:
      return "perplexity";
    case Metric::kWordPerplexity:
    case Metric::kBytePerplexity:
      return "weighted_perplexity";
    case Metric::kBitsPerByte:
      return "bits_per_byte";
  }
  return "";
}

const std::vector<Task>& all_tasks() {
  static const std::vector<Task> tasks = make_tasks();
  return tasks;
}

const Task& find_task(std::string_view name) {
  const auto& tasks = all_tasks();
  const auto found =
      std::find_if(tasks.begin(), tasks.end(), [&](const Task& task) { return task.name == name; });
  if (found != tasks.end()) return *found;
  std::vector<std::string> names;
  for (const Task& task : tasks) names.push_back(task.name);
  const std::string near = nearest_word(name, names);
  throw ConfigError(format("there is no task '{}'; {}", name,
                           near.empty() ? format("expected one of {}", listed(names))
                                        : format("did you mean '{}'?", near)));
}

}  // namespace lckv::eval
