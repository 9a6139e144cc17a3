#include <cstdio>
#include <string>

#include <unistd.h>

#include "kill_test.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

// What the ranks of the kill test do inside mpirun.

namespace lckv::test {

namespace fs = std::filesystem;

namespace {

/// The trials of one mpirun, which all of its ranks carry out together.
class Ranks {
 public:
  explicit Ranks(const fs::path& base)
      : world_(comm::World::join()), bench_(bench_on_ranks(base)) {}

  int reference() {
    make(bench_.reference());
    std::vector<std::string> calls;
    const int code = run_logged(world_, bench_, bench_.reference(), "first", std::nullopt, &calls);
    write_lines(calls_file(bench_.base, world_.rank()), calls);
    return code;
  }

  /// Does not return when all is well.
  int killed(int rank, int64_t call) {
    const fs::path trial = killed_folder(bench_.base, rank, call);
    make(trial);
    return first_start(trial, rank, {call, Action::kKill});
  }

  /// Of the trials whose ranks were killed.
  int resume() {
    int bad = 0;
    for_each_call([&](int rank, int64_t call, const std::string& name) {
      bad += second_start(killed_folder(bench_.base, rank, call),
                          title(rank, call, name, Action::kKill));
    });
    return agreed(bad);
  }

  /// All trials in which a call fails.
  int errors() {
    int bad = 0, trials = 0, warned = 0;
    for_each_call([&](int rank, int64_t call, const std::string& name) {
      for (const Action action : {Action::kNoSpace, Action::kIoError}) {
        const fs::path trial =
            bench_.base / format("error-{}-{}-{}", rank, call, test::name(action));
        make(trial);
        const int code = first_start(trial, rank, {call, action});
        ++trials;
        warned += code == 0 ? 1 : 0;
        const auto codes = comm::gather_texts(world_.all(), std::to_string(code));
        if (world_.rank() == 0) {
          std::string wrong = judge_failed(trial, action, code);
          for (const std::string& other : codes) {
            if (other != codes.front())
              wrong += "ranks ended with " + codes.front() + " and " + other;
          }
          bad += report(title(rank, call, name, action), wrong);
        }
        bad += second_start(trial, title(rank, call, name, action));
      }
    });
    if (world_.rank() == 0) {
      std::printf(
          "kill test: %d ranks (dp 2 x tp 2): %d failed calls (%d were only warned of): %s\n",
          world_.size(), trials, warned, bad == 0 ? "all resumed" : "FAILED");
    }
    return agreed(bad);
  }

 private:
  void make(const fs::path& trial) {
    if (world_.rank() == 0) fs::create_directories(trial);
    world_.all().barrier("folder is there");
  }

  int agreed(int bad) { return comm::any_rank(world_.all(), bad != 0, "bad trials") ? 1 : 0; }

  static std::string title(int rank, int64_t call, const std::string& name, Action action) {
    return format("rank {}, call {} ({}), {}", rank, call, name, test::name(action));
  }

  template <class Work>
  void for_each_call(const Work& work) const {
    for (int rank = 0; rank < world_.size(); ++rank) {
      const auto calls = read_lines(calls_file(bench_.base, rank));
      for (size_t i = 0; i < calls.size(); ++i) work(rank, static_cast<int64_t>(i) + 1, calls[i]);
    }
  }

  int first_start(const fs::path& trial, int rank, const Fault& fault) {
    alarm(kTrialLimit_s);
    return run_logged(world_, bench_, trial, "first",
                      world_.rank() == rank ? std::optional(fault) : std::nullopt);
  }

  /// 1 on rank 0 when something went wrong.
  int second_start(const fs::path& trial, const std::string& title) {
    alarm(kTrialLimit_s);
    const int64_t step = world_.rank() == 0 ? whole_step(trial) : 0;
    world_.all().barrier("looked at");
    const int code = run_logged(world_, bench_, trial, "second", std::nullopt);
    if (world_.rank() != 0) return 0;
    if (report(title, judge_resumed(bench_, trial, step, code)) != 0) return 1;
    fs::remove_all(trial);
    return 0;
  }

  comm::World world_;
  Bench bench_;
};

}  // namespace

Bench bench_on_ranks(const fs::path& base) { return {base, true, 2, 2}; }

fs::path calls_file(const fs::path& base, int rank) { return base / format("calls-{}", rank); }

fs::path killed_folder(const fs::path& base, int rank, int64_t call) {
  return base / format("killed-{}-{}", rank, call);
}

int work_on_ranks(const std::vector<std::string>& arguments) {
  Ranks ranks(arguments.at(0));
  const std::string& what = arguments.at(1);
  if (what == "reference") return ranks.reference();
  if (what == "errors") return ranks.errors();
  if (what == "resume") return ranks.resume();
  return ranks.killed(std::stoi(arguments.at(2)), std::stoll(arguments.at(3)));
}

}  // namespace lckv::test
