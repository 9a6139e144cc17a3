#include <cstdio>
#include <fstream>
#include <iterator>
#include <numeric>

#include "kill_test.h"
#include "lckv/base/clock.h"
#include "lckv/base/text.h"
#include "processes.h"

// The kill test through mpirun: each killed rank costs a start of all; whatever does not end the
// ranks is done inside of one.

namespace lckv::test {

namespace fs = std::filesystem;

namespace {

/// This program on the ranks.
std::vector<std::string> command(int ranks, int limit_s, const fs::path& base,
                                 const std::vector<std::string>& work) {
  std::vector<std::string> words = {"timeout",
                                    std::to_string(limit_s),
                                    "mpirun",
                                    "--allow-run-as-root",
                                    "-n",
                                    std::to_string(ranks),
                                    "--oversubscribe",
                                    "--bind-to",
                                    "none",
                                    "--mca",
                                    "btl",
                                    "self,vader",
                                    fs::read_symlink("/proc/self/exe").string(),
                                    "on-ranks",
                                    base.string()};
  words.insert(words.end(), work.begin(), work.end());
  return words;
}

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs it; says what it printed. Its exit code.
int run(int ranks, const fs::path& base, const std::string& work) {
  constexpr int kLimit_s = 1200;
  const fs::path log = base / (work + ".log");
  const int code = in_child(
      kLimit_s, [&]() -> int { become(command(ranks, kLimit_s, base, {work}), log.string()); });
  std::printf("%s", text_of(log).c_str());
  return code;
}

struct Point {
  int rank;
  int64_t call;
};

std::vector<Point> points_of(const fs::path& base, int ranks) {
  std::vector<Point> points;
  for (int rank = 0; rank < ranks; ++rank) {
    const auto calls = static_cast<int64_t>(read_lines(calls_file(base, rank)).size());
    for (int64_t call = 1; call <= calls; ++call) points.push_back({rank, call});
  }
  return points;
}

/// Kills one rank there; wrong when it did not come to it, or the others did not end.
int kill_at(const fs::path& base, int ranks, const Point& point) {
  const std::string rank = std::to_string(point.rank), call = std::to_string(point.call);
  const fs::path trial = killed_folder(base, point.rank, point.call),
                 log = base / (rank + "-" + call);
  const int code = in_child(kTrialLimit_s, [&]() -> int {
    become(command(ranks, kTrialLimit_s, base, {"killed", rank, call}), log.string());
  });
  const bool killed = code != 0 && code != 124 && fs::exists(trial / "witness");
  const std::string title = format("rank {}, call {}, SIGKILL", rank, call);
  return report(title, killed ? "" : format("mpirun ended with {}: {}", code, text_of(log)));
}

}  // namespace

int kill_test_on_ranks(const fs::path& base, int ranks) {
  const Stopwatch watch;
  make_data(bench_on_ranks(base));
  if (run(ranks, base, "reference") != 0) return report("uninterrupted run", "failed");
  const std::vector<Point> points = points_of(base, ranks);
  const std::vector<int> killed = in_children(static_cast<int64_t>(points.size()), [&](int64_t i) {
    return kill_at(base, ranks, points[static_cast<size_t>(i)]);
  });
  const double killing_s = watch.elapsed_s();
  int bad = std::accumulate(killed.begin(), killed.end(), 0);
  bad += run(ranks, base, "resume");
  std::printf("kill test: %d ranks (dp 2 x tp 2): %d killed calls: %s (%.0f s)\n", ranks,
              static_cast<int>(points.size()), bad == 0 ? "all resumed" : "FAILED", killing_s);
  bad += run(ranks, base, "errors");
  std::printf("kill test: %d ranks: %d calls x 3 actions: %s (%.0f s)\n", ranks,
              static_cast<int>(points.size()), bad == 0 ? "all resumed" : "FAILED",
              watch.elapsed_s());
  return bad;
}

}  // namespace lckv::test
