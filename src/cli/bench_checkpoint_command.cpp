#include <fmt/core.h>

#include "lckv/base/activity.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/rank_watch.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/train/bench_checkpoint.h"

namespace lckv::cli {

ExitCode run_bench_checkpoint(comm::World& world, const BenchCheckpointArgs& args) {
  config::RunConfig config;
  comm::together(world, [&] { config = config::load_run(args.run.config, args.run.overrides); });
  const RankWatch watch(world, {.then = "ending after the step at hand",
                                .stall_timeout_s = config.guards.stall_timeout_s});
  note_activity("measuring");
  const train::BenchCheckpointResult result =
      train::bench_checkpoint(world, config,
                              {.steps = args.steps,
                               .warmup_steps = args.warmup_steps,
                               .saves = args.saves,
                               .folder = args.folder},
                              watch.stop());
  if (world.rank() != 0) return ExitCode::kOk;
  fmt::print("{}", train::to_text(result));
  if (!args.json.empty()) checkpoint::write_file_atomically(args.json, train::to_json(result));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
