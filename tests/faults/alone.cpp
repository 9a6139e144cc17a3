#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>

#include <signal.h>

#include "kill_test.h"
#include "lckv/base/clock.h"
#include "lckv/base/text.h"
#include "processes.h"
#include "saved_state.h"

namespace lckv::test {

namespace fs = std::filesystem;

namespace {

constexpr std::array kActions = {Action::kKill, Action::kNoSpace, Action::kIoError};
constexpr int kOnlyWarned = 2;  // exit code of a trial whose first start went on to its end

int start(const Bench& bench, const fs::path& trial, const std::string& log,
          const std::optional<Fault>& fault) {
  return in_child(kTrialLimit_s, [&] {
    comm::World world = comm::World::alone();
    return run_logged(world, bench, trial, log, fault);
  });
}

/// Both starts of one trial. Its exit code: 0, kOnlyWarned, or 1 when something went wrong.
int try_fault(const Bench& bench, const Fault& fault, const std::string& call) {
  const std::string title = format("call {} ({}), {}", fault.call, call, name(fault.action));
  const fs::path trial = bench.base / format("{}-{}", fault.call, name(fault.action));
  fs::create_directories(trial);
  const int first = start(bench, trial, "first", fault);
  std::string wrong;
  if (fault.action != Action::kKill) {
    wrong = judge_failed(trial, fault.action, first);
  } else if (first != 128 + SIGKILL) {
    wrong = format("the first start was not killed: exit code {}", first);
  }
  if (report(title, wrong) != 0) return 1;
  const int64_t step = whole_step(trial);
  const int second = start(bench, trial, "second", std::nullopt);
  if (report(title, judge_resumed(bench, trial, step, second)) != 0) return 1;
  fs::remove_all(trial);
  return first == 0 ? kOnlyWarned : 0;
}

/// The uninterrupted run; the calls that it makes.
std::vector<std::string> run_reference(const Bench& bench) {
  fs::create_directories(bench.reference());
  const fs::path list = bench.base / "calls";
  const int exit_code = in_child(kTrialLimit_s, [&] {
    comm::World world = comm::World::alone();
    std::vector<std::string> calls;
    const int code = run_logged(world, bench, bench.reference(), "first", std::nullopt, &calls);
    write_lines(list, calls);
    return code;
  });
  return exit_code == 0 ? read_lines(list) : std::vector<std::string>();
}

std::string a_step(const std::vector<std::string>& lines) {
  const auto found = std::find_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find("\"loss\":") != std::string::npos;
  });
  return found == lines.end() ? "" : *found;
}

/// What must be found wrong: a state that is lost between the two starts, and metrics with a line
/// twice after them. 1 when one of them is not.
int find_planted_faults(const Bench& bench, int64_t last_call) {
  int unseen = 0;
  for (const bool lost : {true, false}) {
    const fs::path trial = bench.base / (lost ? "lost" : "twice"), run = trial / "run";
    fs::create_directories(trial);
    start(bench, trial, "first", Fault{last_call, Action::kKill});
    if (lost) fs::remove_all(state_of(run.string(), bench.steps));
    const int64_t step = whole_step(trial);
    const int second = start(bench, trial, "second", std::nullopt);
    const auto lines = read_lines(run / "metrics.jsonl");
    if (!lost) std::ofstream(run / "metrics.jsonl", std::ios::app) << a_step(lines) << "\n";
    const bool seen = !judge_resumed(bench, trial, step, second).empty();
    unseen += report(trial.string(), seen ? "" : "a planted fault was not found");
  }
  return unseen;
}

}  // namespace

int kill_test_alone(const fs::path& base, bool asynchronous) {
  const Stopwatch watch;
  const Bench bench{base, asynchronous, 1, 3};
  make_data(bench);
  const std::vector<std::string> calls = run_reference(bench);
  if (calls.empty()) return report("uninterrupted run", "failed");
  const auto per_call = static_cast<int64_t>(kActions.size());
  const auto trials = static_cast<int64_t>(calls.size()) * per_call;
  const std::vector<int> outcomes = in_children(trials, [&](int64_t i) {
    const int64_t call = i / per_call;
    return try_fault(bench, {call + 1, kActions[static_cast<size_t>(i % per_call)]},
                     calls[static_cast<size_t>(call)]);
  });
  const auto warned = std::count(outcomes.begin(), outcomes.end(), kOnlyWarned);
  const auto good = warned + std::count(outcomes.begin(), outcomes.end(), 0);
  const int bad = static_cast<int>(trials - good);
  std::printf(
      "kill test: 1 rank, %s saves: %d calls x %d actions (%d were only warned of): %s (%.0f s)\n",
      asynchronous ? "asynchronous" : "synchronous", static_cast<int>(calls.size()),
      static_cast<int>(per_call), static_cast<int>(warned),
      bad == 0 ? "all resumed" : format("{} FAILED", bad).c_str(), watch.elapsed_s());
  return bad + find_planted_faults(bench, static_cast<int64_t>(calls.size()));
}

}  // namespace lckv::test
