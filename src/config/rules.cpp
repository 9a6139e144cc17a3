#include "lckv/config/rules.h"

#include <algorithm>

#include "lckv/base/text.h"

namespace lckv::config {
namespace {

/// Whether the value says "not given": what a required key must not be.
struct IsUnset {
  bool operator()(std::string* text) const { return text->empty(); }
  bool operator()(std::vector<std::string>* list) const { return list->empty(); }
  bool operator()(TextMap* map) const { return map->empty(); }
  bool operator()(int64_t* number) const { return *number == 0; }
  bool operator()(uint64_t*) const { return false; }
  bool operator()(double*) const { return false; }
  bool operator()(bool*) const { return false; }
  bool operator()(std::optional<int64_t>* number) const { return !*number; }
  bool operator()(const Choice&) const { return false; }
  bool operator()(const IntegerOrAuto&) const { return false; }
};

/// Whether the value is one that a file could hold.
struct IsInRange {
  const Range& range;

  bool operator()(std::string*) const { return true; }
  bool operator()(std::vector<std::string>* list) const {
    return std::find(list->begin(), list->end(), "") == list->end();
  }
  bool operator()(TextMap* map) const {
    return std::none_of(map->begin(), map->end(), [](const auto& entry) {
      return entry.first.empty() || entry.first == "<<" || entry.second.empty();
    });
  }
  bool operator()(int64_t* number) const { return range.holds(static_cast<double>(*number)); }
  bool operator()(uint64_t*) const { return true; }
  bool operator()(double* number) const { return range.holds(*number); }
  bool operator()(bool*) const { return true; }
  bool operator()(std::optional<int64_t>* number) const {
    return !*number || range.holds(static_cast<double>(**number));
  }
  bool operator()(const Choice& choice) const {
    return std::find(choice.words.begin(), choice.words.end(), choice.get()) != choice.words.end();
  }
  bool operator()(const IntegerOrAuto& field) const {
    return *field.number == 0 || range.holds(static_cast<double>(*field.number));
  }
};

std::string broken_rule(const Key& key) {
  if (key.need == Need::kRequired && std::visit(IsUnset{}, key.field)) {
    return "must be given, " + expectation(key);
  }
  if (std::visit(IsInRange{key.range}, key.field)) return "";
  return format("must be {}, is {}", expectation(key), value_text(key));
}

}  // namespace

std::vector<std::string> messages_of(const std::vector<Problem>& problems) {
  std::vector<std::string> messages;
  messages.reserve(problems.size());
  for (const Problem& p : problems) messages.push_back(p.path + ": " + p.message);
  return messages;
}

void Rules::check_each(const std::vector<Key>& keys) {
  for (const Key& key : keys) {
    if (unsound_.count(key.path) != 0) continue;
    const std::string rule = broken_rule(key);
    if (rule.empty()) continue;
    refuse(key.path, rule);
    unsound_.insert(key.path);
  }
}

bool Rules::sound(std::initializer_list<const char*> paths) const {
  return std::none_of(paths.begin(), paths.end(),
                      [this](const char* path) { return unsound_.count(path) != 0; });
}

}  // namespace lckv::config
