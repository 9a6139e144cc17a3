#include "lckv/base/log.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/train/run.h"

namespace lckv::cli {

namespace {

/// Of all ranks: the signal may have come to any of them.
int largest(comm::World& world, int signal) {
  Stream stream;
  int32_t value = signal;
  world.all().all_reduce(stream, View(&value, DType::kI32, {1}), comm::ReduceOp::kMax, "signal");
  return value;
}

}  // namespace

ExitCode run_train(comm::World& world, const RunFileArgs& args) {
  catch_stop_signals();
  config::RunConfig config;
  comm::together(world, [&] { config = config::load_run(args.config, args.overrides); });
  const train::RunResult result = train::run_training(world, config, stop_requested());
  if (result.stopped) {
    const int signal = largest(world, stop_signal());
    if (world.rank() == 0) {
      log_warning(format("stopped by signal {} after step {}; the same command continues", signal,
                         result.step));
    }
    return ExitCode::kRequeue;
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
