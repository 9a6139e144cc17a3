#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

#include "kill_test.h"
#include "lckv/base/error.h"

//   kill_test alone | ranks

namespace lckv::test {

int report(const std::string& trial, const std::string& wrong) {
  if (wrong.empty()) return 0;
  std::printf("WRONG at %s: %s\n", trial.c_str(), wrong.c_str());
  return 1;
}

namespace {

int run(const std::string& what, const std::vector<std::string>& rest) {
  namespace fs = std::filesystem;
  if (what == "on-ranks") return work_on_ranks(rest);
  const fs::path base =
      fs::temp_directory_path() / ("lckv_kill_test_" + what + "_" + std::to_string(getpid()));
  fs::remove_all(base);
  int bad = 0;
  if (what == "alone") {
    bad =
        kill_test_alone(base / "asynchronous", true) + kill_test_alone(base / "synchronous", false);
  } else if (what == "ranks") {
    bad = kill_test_on_ranks(base, 4);
  } else {
    std::fprintf(stderr, "usage: kill_test alone | ranks\n");
    return 2;
  }
  if (bad == 0) fs::remove_all(base);
  if (bad != 0) std::printf("what went wrong lies in %s\n", base.c_str());
  return bad == 0 ? 0 : 1;
}

}  // namespace
}  // namespace lckv::test

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    return lckv::test::run(arguments.empty() ? "" : arguments.front(),
                           arguments.empty()
                               ? arguments
                               : std::vector<std::string>(arguments.begin() + 1, arguments.end()));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "kill_test: %s\n", error.what());
    return 1;
  }
}
