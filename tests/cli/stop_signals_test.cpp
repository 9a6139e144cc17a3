#include <csignal>

#include <gtest/gtest.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/stop_signal.h"
#include "lckv/cli/program.h"

// A signal between the program's first line and its command, in a process of its own.

namespace lckv::cli {
namespace {

/// Ends as the program does. The signal comes while the command line is parsed.
[[noreturn]] void run_with_a_signal(
    int signal, StopSignals stop_signals, const std::function<void()>& parse = [] {}) {
  const Command command{
      "command",
      [](comm::World&) { return stop_requested() ? ExitCode::kRequeue : ExitCode::kCheckFailed; },
      stop_signals};
  const int code = run_in_world([&] {
    raise(signal);
    parse();
    return command;
  });
  _exit(code);
}

TEST(SignalBeforeTheCommand, IsLeftToACommandThatPolls) {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    EXPECT_EXIT(run_with_a_signal(signal, StopSignals::kPolled), testing::ExitedWithCode(75), "");
  }
}

TEST(SignalBeforeTheCommand, EndsOneThatDoesNot) {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) {
    EXPECT_EXIT(run_with_a_signal(signal, StopSignals::kEnd), testing::KilledBySignal(signal), "");
  }
}

TEST(SignalBeforeTheCommand, DoesNotHideThatTheCommandLineIsWrong) {
  const auto parse = [] { throw Error("no such option", ExitCode::kUsage); };
  EXPECT_EXIT(run_with_a_signal(SIGTERM, StopSignals::kPolled, parse), testing::ExitedWithCode(2),
              "lckv: no such option");
}

TEST(Command, DoesNotPollUnlessItSaysSo) { EXPECT_EQ(Command{}.stop_signals, StopSignals::kEnd); }

}  // namespace
}  // namespace lckv::cli
