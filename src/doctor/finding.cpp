#include "lckv/doctor/finding.h"

#include <algorithm>

namespace lckv::doctor {

const char* name(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarn:
      return "warn";
    case Level::kMissing:
      return "missing";
  }
  return "?";
}

Finding ok(std::string group, std::string name, std::string value, Numbers numbers) {
  Finding made;
  made.group = std::move(group);
  made.name = std::move(name);
  made.value = std::move(value);
  made.numbers = std::move(numbers);
  return made;
}

Finding warn(std::string group, std::string name, std::string value, std::string action,
             Numbers numbers) {
  Finding made = ok(std::move(group), std::move(name), std::move(value), std::move(numbers));
  made.level = Level::kWarn;
  made.action = std::move(action);
  return made;
}

Finding missing(std::string group, std::string name, std::string value, std::string action) {
  Finding made = warn(std::move(group), std::move(name), std::move(value), std::move(action));
  made.level = Level::kMissing;
  return made;
}

Finding needed(std::string group, std::string name, std::string value, std::string action) {
  Finding made = missing(std::move(group), std::move(name), std::move(value), std::move(action));
  made.needed = true;
  return made;
}

bool can_train(const std::vector<Finding>& findings) {
  return std::none_of(findings.begin(), findings.end(), [](const Finding& f) { return f.needed; });
}

}  // namespace lckv::doctor
