#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/train/watch_rows.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "shared_run.h"

// What a run on several ranks leaves for those who look at it.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

class WatchOnGrid : public testing::Test {
 protected:
  WatchOnGrid() { set_log_quiet(true); }
};

std::vector<nlohmann::json> rows_of(const std::string& output, const std::string& name) {
  std::vector<nlohmann::json> rows;
  for (const auto& row : metrics_of(output)) {
    if (row.contains(name)) rows.push_back(row);
  }
  return rows;
}

TEST_F(WatchOnGrid, OneRankWritesAndProfilingChangesNoBit) {
  config::RunConfig plain = shared_run("watch"), all = plain;
  plain.output += "-plain";
  plain.parallel.tensor = all.parallel.tensor = 2;
  plain.watch = {.tensorboard = false, .profile_every_steps = 0};
  all.watch = {.tensorboard = true, .profile_every_steps = 2};
  train::run_training(world(), plain, kNeverStop);
  train::run_training(world(), all, kNeverStop);
  if (world().rank() != 0) return;
  EXPECT_EQ(differing_tensors(state_of(all.output, 8), state_of(plain.output, 8)), "");
  EXPECT_EQ(timeless_metrics(all.output), timeless_metrics(plain.output));
  const fs::directory_iterator files(fs::path(all.output) / "tensorboard");
  EXPECT_EQ(std::distance(begin(files), end(files)), 1);
  int started = 0;
  for (const auto& event : events_of(all.output)) started += event["kind"] == "started" ? 1 : 0;
  EXPECT_EQ(started, 1);
}

TEST_F(WatchOnGrid, ProfiledStepTellsItsCommunication) {
  config::RunConfig run = shared_run("watch_comm");
  run.parallel.tensor = 2;
  train::run_training(world(), run, kNeverStop);
  if (world().rank() != 0) return;
  const auto rows = rows_of(run.output, "time/exposed_communication_s");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0]["step"], 3);
  EXPECT_GT(rows[0]["time/exposed_communication_s"], 0);
  EXPECT_GE(rows[0]["time/everything_else_s"], 0);
}

TEST_F(WatchOnGrid, MemoryIsThatOfTheRankThatHasMost) {
  const int64_t own_bytes = 1000 + world().rank() % 2;
  model::MemoryReport report;
  report.kinds = {{"weights", own_bytes, 1, "w", own_bytes}};
  report.total_bytes = own_bytes;
  const train::MetricsRow expected = {
      {"step", 4}, {"memory/planned/weights_bytes", 1001}, {"memory/planned_bytes", 1001}};
  EXPECT_EQ(train::planned_memory_row(4, report, world().all()), expected);
  const train::MetricsRow measured = {{"step", 4}, {"memory/measured_bytes", 1001}};
  EXPECT_EQ(train::measured_memory_row(4, own_bytes, world().all()), measured);
}

}  // namespace
}  // namespace lckv::test
