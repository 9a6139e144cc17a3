#include <algorithm>
#include <cmath>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/layer_types.h"
#include "lckv/config/rules.h"

namespace lckv::config {
namespace {

/// The key that asks how keys and values settle; "" when none does.
std::string asks_of_kv(const EvalConfig& e) {
  if (e.kv_convergence == KvConvergence::kTrue) return "eval.kv_convergence is true";
  return e.kv_exact_distance ? "eval.kv_exact_distance is true" : "";
}

/// The keys that ask for something, with what they ask; "" when none does.
std::string what_is_asked(const EvalConfig& e) {
  if (!e.tasks.empty()) return "eval.tasks names " + e.tasks.front();
  if (!e.questions.empty()) return "eval.questions names " + e.questions.front();
  if (e.exact_validation == ExactValidation::kTrue) return "eval.exact_validation is true";
  return asks_of_kv(e);
}

/// True as well where it is refused elsewhere.
bool reads_upward(const ModelConfig& model) {
  try {
    const auto types =
        parse_layer_types(model.layer_types, static_cast<int>(model.num_hidden_layers));
    for (size_t i = 0; i < types.size(); ++i) {
      if (types[i].reads > static_cast<int>(i)) return true;
    }
  } catch (const ConfigError&) {
    return true;
  }
  return false;
}

void check_use(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"eval.every_steps", "eval.tasks", "eval.questions", "eval.exact_validation",
                    "eval.kv_convergence", "eval.kv_exact_distance", "data.validation"})) {
    return;
  }
  const EvalConfig& e = run.eval;
  const std::string asked = what_is_asked(e);
  if (!e.is_on() && !asked.empty()) {
    rules.refuse("eval.every_steps", format("is -1, which evaluates nothing, but {}", asked));
  }
  if (e.is_on() && asked.empty() && run.data.validation.empty()) {
    rules.refuse("eval.every_steps",
                 format("is {}, but neither eval.tasks, eval.questions nor data.validation names "
                        "anything to evaluate",
                        e.every_steps));
  }
  if (e.exact_validation == ExactValidation::kTrue && run.data.validation.empty()) {
    rules.refuse("eval.exact_validation", "is true, but data.validation names no store");
  }
}

/// What is asked of keys and values comes with the exact validation of iterated layers.
void check_kv(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"eval.kv_convergence", "eval.kv_exact_distance", "eval.exact_validation",
                    "data.validation", "model.layer_types", "model.num_hidden_layers"})) {
    return;
  }
  const EvalConfig& e = run.eval;
  const char* const key = e.kv_exact_distance ? "eval.kv_exact_distance" : "eval.kv_convergence";
  if (asks_of_kv(e).empty()) return;
  if (e.kv_convergence == KvConvergence::kFalse) {
    rules.refuse(key, "is true, but eval.kv_convergence is false");
  }
  if (e.exact_validation == ExactValidation::kFalse) {
    rules.refuse(key, "is true, but eval.exact_validation is false");
  }
  if (run.data.validation.empty()) {
    rules.refuse(key, "is true, but data.validation names no store");
  }
  if (!reads_upward(run.model)) {
    rules.refuse(key, format("is true, but no layer of model.layer_types {} reads a higher one",
                             run.model.layer_types));
  }
}

void check_tasks(const EvalConfig& e, Rules& rules) {
  if (!rules.sound({"eval.tasks", "eval.task_data", "eval.task_files"})) return;
  for (auto task = e.tasks.begin(); task != e.tasks.end(); ++task) {
    if (std::find(e.tasks.begin(), task, *task) != task) {
      rules.refuse("eval.tasks", format("names {} twice", *task));
    } else if (e.task_data.empty() && !e.task_files.contains(*task)) {
      rules.refuse(
          "eval.tasks",
          format("{} has no file: eval.task_data is not given, nor eval.task_files of it", *task));
    }
  }
}

void check_files(const char* path, const TextMap& files, const EvalConfig& e, Rules& rules) {
  if (!rules.sound({"eval.tasks", path})) return;
  for (const auto& [task, file] : files) {
    if (std::find(e.tasks.begin(), e.tasks.end(), task) != e.tasks.end()) continue;
    rules.refuse(path, format("{} is for no task of eval.tasks", task));
  }
}

void check_examples(const EvalConfig& e, Rules& rules) {
  if (!rules.sound({"eval.tasks", "eval.num_fewshot"})) return;
  if (e.num_fewshot == 0 || !e.tasks.empty()) return;
  rules.refuse("eval.num_fewshot",
               format("is {}, but eval.tasks names none to show examples of", e.num_fewshot));
}

void check_limit(const EvalConfig& e, Rules& rules) {
  if (!rules.sound({"eval.limit"})) return;
  if (e.limit < 1 || (e.limit == std::floor(e.limit) && e.limit <= 0x1p53)) return;
  rules.refuse("eval.limit",
               format("{} is neither a number of documents nor a part of them below 1", e.limit));
}

}  // namespace

void check_eval_rules(const RunConfig& run, Rules& rules) {
  check_use(run, rules);
  check_kv(run, rules);
  check_tasks(run.eval, rules);
  check_files("eval.task_files", run.eval.task_files, run.eval, rules);
  check_files("eval.fewshot_files", run.eval.fewshot_files, run.eval, rules);
  check_examples(run.eval, rules);
  check_limit(run.eval, rules);
}

}  // namespace lckv::config
