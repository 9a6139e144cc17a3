#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace lckv::doctor {

enum class Level : uint8_t {
  kOk,
  kWarn,    // it works, but slower, only in part, or not for long
  kMissing  // it is not there, or does not work
};
const char* name(Level level);  // "ok", "warn", "missing"

/// One line of the report: a fact, whether it is as it should be, and the one thing to do if not.
struct Finding {
  std::string group;  // "cpu"
  std::string name;   // "kernels"
  std::string value;  // as a person reads it, in one line
  Level level = Level::kOk;
  bool needed = false;  // lckv cannot train here as long as this is missing
  std::string action;   // a command, or a sentence; "" where nothing is to be done
  std::vector<std::pair<std::string, double>>
      numbers;  // the value for programs: name with its unit
};

using Numbers = std::vector<std::pair<std::string, double>>;

Finding ok(std::string group, std::string name, std::string value, Numbers numbers = {});
Finding warn(std::string group, std::string name, std::string value, std::string action,
             Numbers numbers = {});
/// What lckv trains without.
Finding missing(std::string group, std::string name, std::string value, std::string action);
/// What it cannot train without.
Finding needed(std::string group, std::string name, std::string value, std::string action);

/// Whether lckv can train here: nothing that is needed is missing.
bool can_train(const std::vector<Finding>& findings);

}  // namespace lckv::doctor
