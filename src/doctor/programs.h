#pragma once

#include <string>
#include <vector>

namespace lckv::doctor {

/// The first file of this name in the folders of PATH that may be run; "" where there is none.
std::string find_in_path(const std::string& name);

struct ProgramOutcome {
  int exit_code = -1;      // 128 + n: signal n ended it; -1: it could not be started
  bool timed_out = false;  // it took longer and was killed with its children
  std::string output;      // stdout and stderr
};

/// Runs a program without a shell, its input empty, for at most so long.
///
///   environment   NAME=value, beside this process's own
ProgramOutcome run_program(const std::vector<std::string>& arguments, double timeout_s,
                           const std::vector<std::string>& environment = {});

/// The command that installs Debian packages here: "apt-get install a b", behind sudo for whoever
/// is not root; where there is no apt-get, words that name them.
std::string install_command(const std::string& packages);

}  // namespace lckv::doctor
