#include <cmath>

#include <fmt/core.h>

#include "lckv/cli/commands.h"
#include "lckv/cli/output_name.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/watchdog.h"
#include "lckv/doctor/machine.h"
#include "lckv/doctor/nodes.h"
#include "lckv/doctor/nodes_report.h"
#include "lckv/doctor/report.h"
#include "lckv/train/precision.h"

namespace lckv::cli {

namespace {

int64_t need_bytes(const DoctorArgs& args) {
  return std::llround(args.need_gib * double(int64_t{1} << 30));
}

void check_arguments(const DoctorArgs& args) {
  if (args.output) return require_output(*args.output);
  if (!args.nodes || args.need_gib == 0) return;
  throw Error("doctor --nodes: --need-gib is of a folder: name it with --output", ExitCode::kUsage);
}

/// Ranks that wait for one that hangs end, and say which it is.
comm::WatchdogOptions watchdog_options(double budget_s) {
  constexpr double kPatience_s = 120;
  comm::WatchdogOptions options;
  options.stall_timeout_s = kPatience_s + budget_s;
  return options;
}

}  // namespace

ExitCode run_doctor(const DoctorArgs& args) {
  check_arguments(args);
  comm::World world = comm::World::alone();
  train::use_threads(world, /*threads=*/0, /*oversubscribe=*/false);
  doctor::MachineSettings settings;
  settings.folder = args.output.value_or(".");
  settings.need_bytes = need_bytes(args);
  settings.measures = !args.quick;
  settings.budget_s = args.seconds.value_or(settings.budget_s);
  const std::vector<doctor::Finding> findings = doctor::examine_machine(settings);
  fmt::print("{}", args.json ? doctor::to_json(findings) : doctor::to_text(findings));
  return doctor::can_train(findings) ? ExitCode::kOk : ExitCode::kCheckFailed;
}

ExitCode run_doctor_nodes(comm::World& world, const DoctorArgs& args) {
  comm::together(world, [&] { check_arguments(args); });
  doctor::NodesSettings settings;
  settings.folder = args.output.value_or("");
  settings.budget_s = args.seconds.value_or(settings.budget_s);
  const comm::Watchdog watchdog(world, watchdog_options(settings.budget_s));
  const doctor::NodesFacts facts = doctor::examine_nodes(world, settings);
  const doctor::NodeLimits limits = {.least_rate_frac = args.min_rate_frac,
                                     .most_skew_s = args.max_skew_s,
                                     .need_bytes = need_bytes(args)};
  const std::vector<std::string> faults = doctor::judge_nodes(facts, limits);
  if (world.rank() == 0) {
    fmt::print("{}",
               args.json ? doctor::to_json(facts, limits, faults) : doctor::to_text(facts, faults));
  }
  return faults.empty() ? ExitCode::kOk : ExitCode::kCheckFailed;
}

}  // namespace lckv::cli
