#include <cmath>
#include <filesystem>
#include <numeric>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bench_checkpoint_run.h"
#include "lckv/base/log.h"
#include "lckv/model/parameters.h"
#include "lckv/mpi_test/world.h"
#include "lckv/train/bench_checkpoint.h"

namespace lckv::train {
namespace {

using test::world;
using test::Written;

class BenchCheckpointOnGrid : public testing::TestWithParam<int> {
 protected:
  BenchCheckpointOnGrid() { set_log_quiet(true); }
  ~BenchCheckpointOnGrid() override { set_log_quiet(false); }

  /// On the grid whose tensor extent is the parameter or, for fewer ranks, all ranks.
  static config::RunConfig tiny_run() {
    return test::tiny_saving_run(std::gcd(GetParam(), world().size()));
  }
};

TEST_P(BenchCheckpointOnGrid, MeasuresAllRanksTogether) {
  const std::string folder = test::folder_for(world(), "bench_checkpoint").string();
  const std::atomic<bool> stop = false;
  const BenchCheckpointResult result = bench_checkpoint(
      world(), tiny_run(),
      {.steps = 1, .warmup_steps = 1, .saves = 1, .folder = folder, .copy_bytes = 1 << 20}, stop);
  const std::string json = to_json(result);
  for (const std::string& other : comm::gather_texts(world().all(), json)) EXPECT_EQ(other, json);
  EXPECT_EQ(nlohmann::json::parse(json).at("asynchronous").size(), 1u);

  EXPECT_EQ(std::ssize(result.rank_bytes), world().size());
  const int64_t elems = model::make_parameter_table(tiny_run().model).element_count();
  EXPECT_EQ(result.bytes(), 3 * elems * size_bytes(DType::kF32));
  EXPECT_LT(result.snapshot_bytes, result.bytes());
  for (const MeasuredSave& save : result.asynchronous) {
    EXPECT_GT(save.cost.copied_s, 0);
    EXPECT_GE(save.step_s.size(), 1u);
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_P(BenchCheckpointOnGrid, StatesOfAllRanksAreThoseOfTheirStep) {
  EXPECT_EQ(test::not_as_saved(world(), tiny_run(), Written::kSnapshot, 1),
            std::vector<std::string>());
}

TEST_P(BenchCheckpointOnGrid, OneRankThatWritesLiveTensorsIsFoundOut) {
  const bool plants = world().rank() == world().size() - 1;
  const auto wrong = test::not_as_saved(world(), tiny_run(),
                                        plants ? Written::kLiveTensors : Written::kSnapshot, 1);
  EXPECT_TRUE(comm::any_rank(world().all(), !wrong.empty(), "wrong"));
  EXPECT_TRUE(!plants || !wrong.empty());
}

INSTANTIATE_TEST_SUITE_P(Tensor, BenchCheckpointOnGrid, testing::Values(1, 2));

}  // namespace
}  // namespace lckv::train
