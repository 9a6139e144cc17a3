#include <fmt/core.h>

#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/config/load.h"
#include "lckv/train/bench.h"

namespace lckv::cli {

ExitCode run_bench_train(const BenchTrainArgs& args) {
  const config::RunConfig config = config::load_run(args.config, args.overrides);
  const train::BenchResult result =
      train::bench_training(config, {args.steps, args.warmup_steps, args.gemm_s});
  fmt::print("{}", train::to_text(result));
  if (!args.json.empty()) checkpoint::write_file_atomically(args.json, train::to_json(result));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
