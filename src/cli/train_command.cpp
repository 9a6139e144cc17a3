#include "lckv/base/log.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/train/run.h"

namespace lckv::cli {

ExitCode run_train(comm::World& world, const RunFileArgs& args) {
  config::RunConfig config;
  comm::together(world, [&] { config = config::load_run(args.config, args.overrides); });
  const train::RunResult result = train::run_training(world, config, stop_requested());
  if (result.stopped) {
    if (world.rank() == 0) {
      const std::string where =
          result.in_start_up ? "during start-up"
                             : format("after step {} of {}", result.step, config.train.steps);
      log_warning(format("stopped by {} {}; the same command continues", result.reason, where));
    }
    return ExitCode::kRequeue;
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
