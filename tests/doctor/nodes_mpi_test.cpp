#include <chrono>
#include <cmath>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/doctor/nodes.h"
#include "lckv/doctor/nodes_verdict.h"
#include "lckv/mpi_test/world.h"

// All ranks on this machine; what differs between them is planted.

namespace lckv::doctor {
namespace {

namespace fs = std::filesystem;
using test::world;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kSecondNs = 1'000'000'000;

int last_rank() { return world().size() - 1; }

/// A clock that goes so much ahead on the last rank, read after so long a wait.
std::function<int64_t()> planted_clock(double ahead_s, std::chrono::milliseconds late = {}) {
  return [=] {
    if (world().rank() != last_rank()) return wall_clock_ns();
    std::this_thread::sleep_for(late);
    return wall_clock_ns() + static_cast<int64_t>(ahead_s * double(kSecondNs));
  };
}

/// Of the last rank. The true offset is the planted one: one machine has one clock.
ClockOffset expect_found(double ahead_s, std::chrono::milliseconds late = {}) {
  const auto offsets = measure_clock_offsets(world().all(), 5, planted_clock(ahead_s, late));
  EXPECT_EQ(offsets.size(), static_cast<size_t>(world().size()));
  EXPECT_EQ(offsets[0].offset_s, 0);
  for (int rank = 1; rank < world().size(); ++rank) {
    const ClockOffset& found = offsets[static_cast<size_t>(rank)];
    const double planted_s = rank == last_rank() ? ahead_s : 0;
    EXPECT_LE(std::abs(found.offset_s - planted_s), found.error_s) << rank;
    EXPECT_GT(found.error_s, 0) << rank;
  }
  return offsets.back();
}

TEST(ClockOffsets, APlantedOffsetIsFoundWithinTheBoundThatIsGiven) {
  for (const double ahead_s : {0.0, 12.25, -3600.0}) {
    EXPECT_LT(expect_found(ahead_s).error_s, 0.5) << ahead_s;  // far below what is looked for
  }
}

TEST(ClockOffsets, ARankThatAnswersLateWidensTheBoundAndIsStillWithin) {
  const ClockOffset found = expect_found(2.5, std::chrono::milliseconds(40));
  EXPECT_GE(found.error_s, 0.02);
}

TEST(ClockOffsets, ABoundOfHalfTheSizeWouldNotHoldForALateRank) {  // the law can fail
  const ClockOffset found = expect_found(2.5, std::chrono::milliseconds(100));
  EXPECT_GT(std::abs(found.offset_s - 2.5), found.error_s / 2);
}

RankRates equal_rates(Device, DType, double) {
  return {.matmul_flops_per_s = 1e11, .memory_bytes_per_s = 1e10};
}

NodeInstruments alike() {
  NodeInstruments instruments;
  instruments.rates = equal_rates;
  instruments.folder.patience_s = 0.2;
  return instruments;
}

/// One of its own for each test, which all ranks share.
fs::path fresh_folder() {
  const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
  const fs::path folder =
      fs::path(testing::TempDir()) / format("lckv_nodes_{}_{}", name, world().size());
  if (world().rank() == 0) {
    fs::remove_all(folder);
    fs::create_directories(folder);
  }
  world().all().barrier("test folder");
  return folder;
}

std::vector<std::string> faults_of(const NodeInstruments& instruments, const fs::path& folder = {},
                                   const NodeLimits& limits = {}) {
  return judge_nodes(examine_nodes(world(), {.folder = folder, .budget_s = 0.2}, instruments),
                     limits);
}

TEST(Nodes, RanksOfOneMachineThatAreAlikeHaveNoFaultAndLeaveNothingBehind) {
  const fs::path folder = fresh_folder();
  const NodesFacts facts =
      examine_nodes(world(), {.folder = folder / "run", .budget_s = 0.2}, alike());
  EXPECT_THAT(judge_nodes(facts, {}), IsEmpty());
  EXPECT_EQ(facts.ranks.size(), static_cast<size_t>(world().size()));
  EXPECT_GT(facts.bus_bytes_per_s, 0);
  for (const RankFacts& f : facts.ranks) {
    EXPECT_EQ(f.node_rank, 0);
    EXPECT_GT(f.memory_bytes, 0);
    EXPECT_GT(f.node_bus_bytes_per_s, 0);
    EXPECT_TRUE(f.disk.sees_rank_0);
    EXPECT_GT(f.disk.rates.write_bytes_per_s, 0);
  }
  world().all().barrier("test end");
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(Nodes, EveryRankComesToTheSameResult) {
  const NodesFacts facts = examine_nodes(world(), {.folder = {}, .budget_s = 0.2}, alike());
  std::string here;
  for (const RankFacts& f : facts.ranks) here += encode(f);
  here += format("{}", facts.bus_bytes_per_s);
  for (const std::string& other : comm::gather_texts(world().all(), here)) EXPECT_EQ(other, here);
}

TEST(Nodes, ASlowRankIsNamed) {
  NodeInstruments instruments = alike();
  instruments.rates = [](Device device, DType dtype, double budget_s) {
    RankRates rates = equal_rates(device, dtype, budget_s);
    if (world().rank() == last_rank()) rates.matmul_flops_per_s *= 0.5;
    return rates;
  };
  EXPECT_THAT(faults_of(instruments),
              ElementsAre(AllOf(HasSubstr(format("rank {} ", last_rank())),
                                HasSubstr("matmul 50.0 GFLOP/s is 50 % of the median"))));
}

TEST(Nodes, ARankWhoseDeviceFailsIsNamedAndTheOthersGoOn) {
  NodeInstruments instruments = alike();
  instruments.rates = [](Device device, DType dtype, double budget_s) {
    if (world().rank() == last_rank()) throw CudaError("planted");
    return equal_rates(device, dtype, budget_s);
  };
  EXPECT_THAT(faults_of(instruments),
              ElementsAre(AllOf(HasSubstr(format("rank {} ", last_rank())), HasSubstr("planted"))));
}

TEST(Nodes, AClockThatIsWrongIsNamed) {
  NodeInstruments instruments = alike();
  instruments.clock_ns = planted_clock(7);
  EXPECT_THAT(faults_of(instruments),
              ElementsAre(AllOf(HasSubstr(format("rank {} ", last_rank())),
                                testing::ContainsRegex("clock is (7\\.0|6\\.9)"))));
}

TEST(Nodes, AFolderThatIsTooSmallIsNamed) {
  const fs::path folder = fresh_folder();
  NodeInstruments instruments = alike();
  instruments.folder.facts = [](const fs::path& path) {
    DiskFacts facts = read_disk(path);
    facts.free_bytes = int64_t{3} << 30;
    return facts;
  };
  EXPECT_THAT(
      faults_of(instruments, folder, {.need_bytes = int64_t{5} << 30}),
      ElementsAre(AllOf(HasSubstr("(rank 0): 3.00 GiB free at"), HasSubstr("limit 5.00 GiB"))));
}

TEST(Nodes, ARankThatSeesAnotherFolderIsNamed) {
  const fs::path folder = fresh_folder();
  NodeInstruments instruments = alike();
  instruments.folder.holds = [](const fs::path& path, const std::string& text) {
    return world().rank() != last_rank() && file_holds(path, text);
  };
  EXPECT_THAT(faults_of(instruments, folder),
              ElementsAre(AllOf(HasSubstr(format("rank {} ", last_rank())),
                                HasSubstr("does not see what rank 0"))));
}

TEST(Nodes, AFolderThatCannotBeMadeIsNamed) {
  EXPECT_THAT(faults_of(alike(), "/proc/lckv-no-such-folder"),
              ElementsAre(HasSubstr("/proc/lckv-no-such-folder")));
}

TEST(Nodes, AFileInsteadOfAFolderIsRefusedOnAllRanks) {
  const fs::path file = fresh_folder() / "file";
  if (world().rank() == 0) std::ofstream(file) << "x";
  world().all().barrier("test file");
  EXPECT_THROW(faults_of(alike(), file), comm::AgreedError);
}

}  // namespace
}  // namespace lckv::doctor
