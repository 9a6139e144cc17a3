#include "lckv/cli/program.h"

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "lckv/base/log.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/system_failure.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::cli {

namespace {

/// What went wrong, as the user reads it, and the exit code.
struct Failure {
  std::string message;
  ExitCode code;
  bool agreed = false;  // every rank has the same
};

/// Nothing when the command succeeded.
std::optional<Failure> failure_of(const std::function<void()>& work) {
  try {
    work();
    return std::nullopt;
  } catch (const comm::AgreedError& error) {
    return Failure{error.what(), error.exit_code(), true};
  } catch (const Interrupted& error) {  // a distributed command agrees before it throws this
    return Failure{error.what(), error.exit_code(), true};
  } catch (const Error& error) {
    return Failure{error.what(), error.exit_code()};
  } catch (const std::bad_alloc&) {
    return Failure{"out of memory", ExitCode::kIo};
  } catch (const std::system_error& error) {
    return Failure{to_io_error(error).what(), ExitCode::kIo};
  } catch (const std::exception& error) {
    return Failure{format("internal error: {}", error.what()), ExitCode::kInternal};
  }
}

void flush_results() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw output_error(errno);
  }
}

/// A rank that met nothing but another's end is not the cause, and where all fail alike rank 0
/// speaks for everybody: both are given time.
std::chrono::milliseconds precedence_of_others(const comm::World& world, const Failure& failure) {
  if (failure.code == ExitCode::kComm) return std::chrono::milliseconds(1000);
  return std::chrono::milliseconds(world.rank() == 0 ? 0 : 500);
}

/// What all ranks have agreed on is said by rank 0, and each ends by itself. A rank that fails
/// alone ends them all: they would wait for it for ever.
int fail(comm::World& world, const Failure& failure) {
  if (world.size() == 1 || failure.agreed) {
    if (world.rank() == 0) std::fprintf(stderr, "lckv: %s\n", failure.message.c_str());
    return static_cast<int>(failure.code);
  }
  constexpr auto kUntilForwarded = std::chrono::milliseconds(200);
  std::this_thread::sleep_for(precedence_of_others(world, failure));
  std::fprintf(stderr, "lckv: %s: %s\n", world.describe_rank().c_str(), failure.message.c_str());
  std::fflush(stderr);
  std::this_thread::sleep_for(kUntilForwarded);  // the cause comes before what the launcher says
  world.abort(failure.code);
}

}  // namespace

int run_in_world(const std::function<Command()>& parse) {
  catch_stop_signals();
  std::optional<comm::World> world;
  if (const auto failure = failure_of([&] { world.emplace(comm::World::join()); })) {
    std::fprintf(stderr, "lckv: %s\n", failure->message.c_str());
    return static_cast<int>(failure->code);
  }
  catch_stop_signals();               // what MPI loads may have put handlers of its own in place
  set_log_quiet(world->rank() != 0);  // rank 0 speaks
  ExitCode code = ExitCode::kOk;
  const auto failure = failure_of([&] {
    Command chosen;
    comm::together(*world, [&] { chosen = parse(); });
    if (chosen.stop_signals == StopSignals::kEnd) release_stop_signals();
    comm::require_equal_texts(*world, "command", chosen.name);
    code = chosen.run(*world);
    flush_results();
  });
  return failure ? fail(*world, *failure) : static_cast<int>(code);
}

}  // namespace lckv::cli
