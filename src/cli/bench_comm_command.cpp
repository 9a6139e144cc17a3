#include <fmt/core.h>

#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/rank_watch.h"
#include "lckv/train/bench_comm.h"
#include "lckv/train/precision.h"

namespace lckv::cli {

ExitCode run_bench_comm(comm::World& world, const BenchCommArgs& args) {
  const comm::Watchdog watchdog(world, stall_options(args.stall_timeout_s));
  // As in training: ranks that share a machine share out its cores.
  train::use_threads(world, /*threads=*/0, /*oversubscribe=*/false);
  const train::BenchCommResult result =
      train::bench_collectives(world, {args.max_bytes, args.budget_s});
  if (world.rank() != 0) return ExitCode::kOk;
  fmt::print("{}", train::to_text(result));
  if (!args.json.empty()) checkpoint::write_file_atomically(args.json, train::to_json(result));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
