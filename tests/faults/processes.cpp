#include "processes.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <thread>

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lckv::test {

namespace {

int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int in_child(int limit_s, const std::function<int()>& work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(static_cast<unsigned>(limit_s));
    const int exit_code = work();
    std::fflush(nullptr);
    _exit(exit_code);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return exit_code_of(status);
}

std::vector<int> in_children(int64_t count, const std::function<int(int64_t)>& work) {
  const size_t at_once = std::max(1u, std::thread::hardware_concurrency());
  std::vector<int> exit_codes(static_cast<size_t>(count), -1);
  std::map<pid_t, int64_t> running;
  const auto wait_for_one = [&] {
    int status = 0;
    const pid_t child = wait(&status);
    exit_codes[static_cast<size_t>(running.at(child))] = exit_code_of(status);
    running.erase(child);
  };
  for (int64_t i = 0; i < count; ++i) {
    if (running.size() >= at_once) wait_for_one();
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
      const int exit_code = work(i);
      std::fflush(nullptr);
      _exit(exit_code);
    }
    running[child] = i;
  }
  while (!running.empty()) wait_for_one();
  return exit_codes;
}

void become(const std::vector<std::string>& command, const std::string& log) {
  const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
  dup2(file, STDOUT_FILENO);
  dup2(file, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments.front(), arguments.data());
  std::perror(arguments.front());
  _exit(127);
}

}  // namespace lckv::test
