#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <vector>

#include "lckv/config/check.h"
#include "lckv/config/keys.h"

namespace lckv::config {

/// Collects the problems of one configuration.
class Rules {
 public:
  explicit Rules(std::set<std::string> unsound) : unsound_(std::move(unsound)) {}

  /// Each sound key's own rule: given if required, and inside its range. A key that breaks it is
  /// unsound from now on.
  void check_each(const std::vector<Key>& keys);

  /// Whether a rule about these keys can be checked.
  bool sound(std::initializer_list<const char*> paths) const;

  void refuse(const std::string& path, const std::string& message) {
    problems_.push_back({path, message});
  }

  std::vector<Problem> take_problems() { return std::move(problems_); }

 private:
  std::set<std::string> unsound_;
  std::vector<Problem> problems_;
};

/// Adds the cross-field problems.
void check_model_rules(const ModelConfig& model, Rules& rules);
void check_parallel_rules(const RunConfig& run, Rules& rules);
void check_eval_rules(const RunConfig& run, Rules& rules);

}  // namespace lckv::config
