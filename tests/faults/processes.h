#pragma once

#include <functional>
#include <string>
#include <vector>

namespace lckv::test {

/// Runs `work` in a child process and waits for it; what it returns is the exit code, 128 + n when
/// signal n killed it. A child that takes longer than `limit_s` is killed by SIGALRM.
int in_child(int limit_s, const std::function<int()>& work);

/// Calls work(i) for i = 0..count-1, each in a child process, as many at a time as this machine has
/// cores. Their exit codes.
std::vector<int> in_children(int64_t count, const std::function<int(int64_t)>& work);

/// Becomes another program with these arguments, its output in `log`.
[[noreturn]] void become(const std::vector<std::string>& command, const std::string& log);

}  // namespace lckv::test
