#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/choices.h"
#include "lckv/cli/commands.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/train/bench_ops.h"
#include "lckv/train/device.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_inputs.h"

namespace lckv::cli {

namespace {

/// Those of one micro-batch of the run file.
model::Dims run_dims(const std::string& file) {
  const config::RunConfig config = config::load_run(file);
  return model::make_dims(config.model, train::micro_batches(config.train, /*copies=*/1).B,
                          config.data.sequence_tokens);
}

train::BenchOpsSettings settings_of(comm::World& world, const BenchOpsArgs& args) {
  train::BenchOpsSettings settings;
  settings.device = train::resolve_device(world, device_named(args.device));
  settings.dtype = train::resolve_precision(precision_named(args.precision), settings.device);
  settings.dims =
      args.config.empty() ? train::default_bench_dims(settings.device) : run_dims(args.config);
  if (args.rows > 0) settings.dims = train::with_rows(settings.dims, args.rows);
  settings.budget_s = args.budget_s;
  return settings;
}

}  // namespace

ExitCode run_bench_ops(comm::World& world, const BenchOpsArgs& args) {
  comm::together(world, [&] {
    if (world.size() == 1) return;
    throw Error(format("bench ops: runs in one process, {} were started", world.size()),
                ExitCode::kUsage);
  });
  train::use_threads(world, args.threads, /*oversubscribe=*/false);
  const train::BenchOpsSettings settings = settings_of(world, args);
  if (settings.device.kind == DeviceKind::kCuda && !args.matmul_algorithms.empty()) {
    ops::set_gemm_tuning(args.matmul_algorithms);
  }
  const train::BenchOpsResult result = train::bench_ops(settings);
  fmt::print("{}", train::to_text(result));
  if (!args.json.empty()) checkpoint::write_file_atomically(args.json, train::to_json(result));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
