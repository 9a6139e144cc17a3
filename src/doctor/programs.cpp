#include "lckv/doctor/programs.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/text.h"

namespace lckv::doctor {

namespace {

bool may_run(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

/// What exec takes; as long as the texts.
std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// This process's own environment with `changes`, NAME=value, in place of what has these names.
std::vector<std::string> environment_with(const std::vector<std::string>& changes) {
  const auto name_of = [](const std::string& variable) {
    return variable.substr(0, variable.find('='));
  };
  std::vector<std::string> all = changes;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string own = *variable;
    const bool changes_it = std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
      return name_of(change) == name_of(own);
    });
    if (!changes_it) all.push_back(own);
  }
  return all;
}

/// In the child; does not return. A group of its own, so that its children can be ended with it.
/// Other threads of the parent may have held any lock at the fork: nothing is allocated here.
[[noreturn]] void become(const std::vector<char*>& arguments, int output,
                         const std::vector<char*>& environment) {
  setpgid(0, 0);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGPIPE}) std::signal(signal, SIG_DFL);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  execvpe(arguments[0], arguments.data(), environment.data());
  _exit(127);
}

/// Reads until the other end is closed; false when the time is over before.
bool read_all(int from, const Stopwatch& watch, double timeout_s, std::string& text) {
  std::array<char, 4096> bytes{};
  while (true) {
    const double left_s = timeout_s - watch.elapsed_s();
    if (left_s <= 0) return false;
    pollfd waiting = {from, POLLIN, 0};
    const int ready = poll(&waiting, 1, static_cast<int>(left_s * 1000) + 1);
    if (ready <= 0) continue;
    const ssize_t count = read(from, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return true;
    text.append(bytes.data(), static_cast<size_t>(count));
  }
}

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Its exit code; nothing when the time is over before it ends.
std::optional<int> wait_for(pid_t child, const Stopwatch& watch, double timeout_s) {
  constexpr auto kBetweenLooks = std::chrono::milliseconds(2);
  while (true) {
    int status = 0;
    if (waitpid(child, &status, WNOHANG) == child) return exit_code_of(status);
    if (watch.elapsed_s() > timeout_s) return std::nullopt;
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

/// Kills it with its children; its exit code.
int end_now(pid_t child) {
  if (kill(-child, SIGKILL) != 0) kill(child, SIGKILL);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return exit_code_of(status);
}

}  // namespace

std::string find_in_path(const std::string& name) {
  const char* const path = std::getenv("PATH");
  for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
    std::string candidate = (folder.empty() ? "." : folder) + "/" + name;
    if (may_run(candidate)) return candidate;
  }
  return "";
}

ProgramOutcome run_program(const std::vector<std::string>& arguments, double timeout_s,
                           const std::vector<std::string>& environment) {
  const std::vector<std::string> variables = environment_with(environment);
  const std::vector<char*> variable_pointers = pointers_to(variables);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  int ends[2];
  ProgramOutcome outcome;
  if (pipe2(ends, O_CLOEXEC) != 0) return outcome;
  const Stopwatch watch;
  const pid_t child = fork();
  if (child == 0) become(argument_pointers, ends[1], variable_pointers);
  close(ends[1]);
  if (child > 0) {
    std::optional<int> code;  // it may go on when it has closed its output
    if (read_all(ends[0], watch, timeout_s, outcome.output)) {
      code = wait_for(child, watch, timeout_s);
    }
    outcome.timed_out = !code;
    outcome.exit_code = code ? *code : end_now(child);
  }
  close(ends[0]);
  return outcome;
}

std::string install_command(const std::string& packages) {
  if (find_in_path("apt-get").empty()) return "install what Debian calls " + packages;
  return format("{}apt-get install {}", geteuid() == 0 ? "" : "sudo ", packages);
}

}  // namespace lckv::doctor
