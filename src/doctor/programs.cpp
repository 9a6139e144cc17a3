#include "lckv/doctor/programs.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

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

/// In the child; does not return. A group of its own, so that its children can be ended with it.
[[noreturn]] void become(const std::vector<char*>& arguments, int output,
                         const std::vector<std::string>& environment) {
  setpgid(0, 0);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGPIPE}) std::signal(signal, SIG_DFL);
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  for (const std::string& variable : environment) putenv(const_cast<char*>(variable.c_str()));
  execvp(arguments[0], arguments.data());
  _exit(127);
}

/// Reads until the other end is closed; false when the time is over before.
bool read_all(int from, double timeout_s, std::string& text) {
  const Stopwatch watch;
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

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
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
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) {
    pointers.push_back(const_cast<char*>(argument.c_str()));
  }
  pointers.push_back(nullptr);
  int ends[2];
  ProgramOutcome outcome;
  if (pipe2(ends, O_CLOEXEC) != 0) return outcome;
  const pid_t child = fork();
  if (child == 0) become(pointers, ends[1], environment);
  close(ends[1]);
  if (child > 0) {
    outcome.timed_out = !read_all(ends[0], timeout_s, outcome.output);
    if (outcome.timed_out && kill(-child, SIGKILL) != 0) kill(child, SIGKILL);
    outcome.exit_code = wait_for(child);
  }
  close(ends[0]);
  return outcome;
}

std::string install_command(const std::string& packages) {
  if (find_in_path("apt-get").empty()) return "install what Debian calls " + packages;
  return format("{}apt-get install {}", geteuid() == 0 ? "" : "sudo ", packages);
}

}  // namespace lckv::doctor
