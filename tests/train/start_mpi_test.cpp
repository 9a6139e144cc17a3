#include <gtest/gtest.h>

#include "grid_run.h"

// Every grid starts from the same weights, bit for bit, and tells so by the same hash.

namespace lckv::test {
namespace {

struct Start {
  std::map<std::string, std::vector<double>> weights;  // on rank 0
  uint64_t hash = 0;
};

Start start_on(const comm::Communicators& ranks, const config::ModelConfig& config, DType dtype,
               uint64_t seed = 42) {
  train::Trainer::Options options;
  options.dtype = dtype;
  options.T = 8;
  options.ranks = &ranks;
  Arena plan = Arena::planning();
  train::Trainer(plan, config, options);
  Arena arena = Arena::allocate(plan);
  train::Trainer trainer(arena, config, options);
  Stream stream;
  trainer.prepare(stream);
  trainer.initialize(stream, seed);
  Start start;
  start.hash = model::content_hash(stream, trainer.weights(), *ranks.tp);
  train::WholeTensors(config, ranks)
      .gather(stream, trainer.owned_masters(),
              [&](const model::Parameter& parameter, ConstView whole) {
                start.weights[parameter.name] = values_of(whole);
              });
  return start;
}

TEST(Start, HasEqualWeightsAndHashOnEveryGrid) {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.pad_token_id = 20;
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
    const Start alone = start_on(comm::single_process(), config, dtype);
    for (int tp = 1; tp <= world().size(); tp *= 2) {
      const comm::Communicators ranks = join_grid(config, tp);
      const Start start = start_on(ranks, config, dtype);
      EXPECT_EQ(start.hash, alone.hash) << to_string(ranks.grid) << " in " << name(dtype);
      if (world().rank() == 0) {
        EXPECT_EQ(start.weights, alone.weights);
      }
    }
  }
}

TEST(Start, OfAnotherSeedHasAnotherHash) {
  const config::ModelConfig config = grid_config("0_1");
  const comm::Communicators ranks = join_grid(config, world().size());
  EXPECT_NE(start_on(ranks, config, DType::kF32, 1).hash,
            start_on(ranks, config, DType::kF32, 2).hash);
}

TEST(Start, HashSeesTwoSwappedElementsAndTheirPlace) {
  const config::ModelConfig config = grid_config("0_1");
  const comm::Communicators ranks = join_grid(config, world().size());
  const model::ParameterTable table =
      model::make_parameter_table(config, {ranks.grid.tp, ranks.grid.tp_rank(), 1});
  Arena plan = Arena::planning();
  model::ParameterSet(table, plan, "weights", DType::kF32);
  Arena arena = Arena::allocate(plan);
  const model::ParameterSet set(table, arena, "weights", DType::kF32);
  model::initialize(set, config, 1);
  Stream stream;
  const uint64_t before = model::content_hash(stream, set, *ranks.tp);
  float* query = set.layer(1).query.data<float>();
  if (ranks.grid.tp_rank() == 1) std::swap(query[0], query[1]);
  EXPECT_NE(model::content_hash(stream, set, *ranks.tp), before);
}

}  // namespace
}  // namespace lckv::test
