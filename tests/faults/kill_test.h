#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "trial.h"

// The kill test: for every call that changes the disk, on every rank of a short run, the process is
// killed there, or the call fails; then the run is started again and must end as if nothing had
// happened.

namespace lckv::test {

constexpr int kTrialLimit_s = 60;

/// Of one process, by fork(). Prints what it did; the number of trials that went wrong.
int kill_test_alone(const std::filesystem::path& base, bool asynchronous);

/// Of `ranks` processes on a grid, through mpirun.
int kill_test_on_ranks(const std::filesystem::path& base, int ranks);
/// What the former lets ranks do: "reference", "errors", "killed" (then rank and call), "resume".
/// The exit code.
int work_on_ranks(const std::vector<std::string>& arguments);

Bench bench_on_ranks(const std::filesystem::path& base);
/// The names of the calls of a rank, one a line.
std::filesystem::path calls_file(const std::filesystem::path& base, int rank);
/// The trial in which this rank is killed there.
std::filesystem::path killed_folder(const std::filesystem::path& base, int rank, int64_t call);

/// Says what went wrong at a trial; nothing when `wrong` is "". 1 or 0.
int report(const std::string& trial, const std::string& wrong);

}  // namespace lckv::test
