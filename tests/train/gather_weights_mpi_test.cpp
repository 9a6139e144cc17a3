#include <gtest/gtest.h>

#include "grid_trainer.h"
#include "lckv/mpi_test/intercepted.h"

// What a loader does that fills owned parts alone.

namespace lckv::test {
namespace {

void copy_bits(const std::vector<View>& to, const std::vector<View>& from) {
  for (size_t i = 0; i < to.size(); ++i) {
    std::memcpy(to[i].raw(), from[i].raw(), static_cast<size_t>(from[i].bytes()));
  }
}

/// Whether weights gathered from owned parts are those that were set, bit for bit.
bool gathers_what_was_set(const comm::Communicators& ranks, DType dtype) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  GridTrainer set(ranks, config, dtype), gathered(ranks, config, dtype);
  for (const View& bucket : gathered->weights().buckets()) {
    std::memset(bucket.raw(), 0x5A, static_cast<size_t>(bucket.bytes()));
  }
  copy_bits(gathered->owned_masters(), set->owned_masters());
  gathered->gather_weights(gathered.stream());
  return gathered.bits() == set.bits();
}

TEST(GatherWeights, MakesTheWeightsThatWereSetOnEveryGrid) {
  for (int tp = 1; tp <= world().size(); tp *= 2) {
    const comm::Communicators ranks = join_grid(grid_config("0_3_3_3_4"), tp);
    for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
      EXPECT_TRUE(gathers_what_was_set(ranks, dtype)) << name(dtype) << to_string(ranks.grid);
    }
  }
}

TEST(GatherWeights, TrainingGoesOnAsIfTheyHadBeenSet) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  for (int tp = 1; tp <= world().size(); tp *= 2) {
    const comm::Communicators ranks = join_grid(config, tp);
    GridTrainer whole(ranks, config, DType::kBF16), loaded(ranks, config, DType::kBF16);
    whole.step(1);
    copy_bits(loaded->owned_masters(), whole->owned_masters());
    copy_bits(loaded->owned_first_moments(), whole->owned_first_moments());
    copy_bits(loaded->owned_second_moments(), whole->owned_second_moments());
    loaded->gather_weights(loaded.stream());
    whole.step(2);
    loaded.step(2);
    EXPECT_TRUE(loaded.bits() == whole.bits()) << to_string(ranks.grid);
  }
}

TEST(GatherWeights, WithoutTheirGatherRanksWouldDiffer) {
  comm::Communicators ranks = join_grid(grid_config("0_3_3_3_4"), 1);
  const auto dropped = plant(ranks.dp, "dp weights", drop);
  EXPECT_FALSE(gathers_what_was_set(ranks, DType::kBF16));
  EXPECT_GT(*dropped, 0);
}

}  // namespace
}  // namespace lckv::test
