#include "lckv/comm/deadline.h"

#include <string>
#include <thread>

#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/comm/stack_report.h"

namespace lckv::comm {

namespace {

constexpr auto kTick = std::chrono::milliseconds(50);

}  // namespace

Deadline::Deadline(const char* what, std::chrono::milliseconds time)
    : met_(std::make_shared<std::atomic<bool>>(false)) {
  const auto until = std::chrono::steady_clock::now() + time;
  std::thread([what, until, met = met_] {
    while (!*met && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(kTick);
    if (*met) return;
    write_to_stderr("lckv: " + std::string(what) + " does not return: this process ends\n");
    _exit(static_cast<int>(ExitCode::kComm));
  }).detach();
}

}  // namespace lckv::comm
