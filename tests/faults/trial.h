#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "fault.h"
#include "lckv/comm/world.h"
#include "lckv/config/run.h"

namespace lckv::test {

/// Where the runs of one kind stand: `<base>/data`, `<base>/reference/run`, and one folder for each
/// trial with `run`, the logs `first` and `second` of its two starts, and `witness`.
struct Bench {
  std::filesystem::path base;
  bool asynchronous = true;
  int tensor = 1;
  int64_t steps = 3;  // with a save after each

  std::filesystem::path reference() const { return base / "reference"; }
};

/// Token stores for fault_run(). Call once, before anything else.
void make_data(const Bench& bench);

/// A run of a few steps, of which the newest state stays; validates too.
config::RunConfig fault_run(const Bench& bench, const std::filesystem::path& trial);

/// Carries the run out as the program does: what it says, and what ends it, goes to `<trial>/<log>`
/// on the rank that speaks. Returns the exit code. Collective.
int run_logged(comm::World& world, const Bench& bench, const std::filesystem::path& trial,
               const std::string& log, const std::optional<Fault>& fault,
               std::vector<std::string>* calls = nullptr);

/// What is wrong with a start that met an error of the disk; "" when nothing is. It must have ended
/// with exit code 5 naming file and reason, with no temporary left; or, when only the removal of an
/// old state failed, have gone on to its end with a warning.
std::string judge_failed(const std::filesystem::path& trial, Action action, int exit_code);

/// What is to be known before the second start: the newest whole state, -1 when there is none.
int64_t whole_step(const std::filesystem::path& trial);

/// What is wrong with the second start, which met no fault; "" when it began at `whole_step`, which
/// is not older than what stood when the fault came, and ended as the reference did: tensors,
/// position and metrics.
std::string judge_resumed(const Bench& bench, const std::filesystem::path& trial,
                          int64_t whole_step, int exit_code);

}  // namespace lckv::test
