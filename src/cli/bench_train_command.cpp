#include <fmt/core.h>

#include "lckv/base/activity.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/rank_watch.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/train/bench.h"
#include "lckv/train/chrome_trace.h"

namespace lckv::cli {

ExitCode run_bench_train(comm::World& world, const BenchTrainArgs& args) {
  config::RunConfig config;
  comm::together(world, [&] { config = config::load_run(args.config, args.overrides); });
  const comm::Watchdog watchdog(world, stall_options(config.guards.stall_timeout_s));
  note_activity("measuring");
  const train::BenchResult result = train::bench_training(world, config,
                                                          {.steps = args.steps,
                                                           .warmup_steps = args.warmup_steps,
                                                           .gemm_s = args.gemm_s,
                                                           .keep_timelines = !args.trace.empty()});
  if (world.rank() != 0) return ExitCode::kOk;
  fmt::print("{}", train::to_text(result));
  if (!args.json.empty()) checkpoint::write_file_atomically(args.json, train::to_json(result));
  if (!args.trace.empty()) {
    checkpoint::write_file_atomically(args.trace, train::to_chrome_trace(result.timelines));
  }
  return ExitCode::kOk;
}

}  // namespace lckv::cli
