#include <unistd.h>

#include "exchange_fixture.h"
#include "hand_made_shards.h"
#include "lckv/checkpoint/state.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/mpi_test/world.h"
#include "lckv/train/model_source.h"

// One file for each rank, as training saves: what one process exports of it.

namespace lckv::train {
namespace {

namespace fs = std::filesystem;

/// The folder of rank 0's test, for all.
fs::path shared_folder() {
  const std::string own =
      (fs::path(testing::TempDir()) / format("lckv_export_{}", getpid())).string();
  return comm::gather_texts(test::world().all(), own).front();
}

config::ModelConfig four_heads() {
  config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  config.intermediate_size = 56;
  return config;
}

/// A run whose state all ranks save, each the part that it has in a grid of so many tensor ranks.
void save_run(const fs::path& run, const model::ParameterSet& weights,
              const config::ModelConfig& model, int tp) {
  const int rank = test::world().rank(), dp = test::world().size() / tp;
  HandMadeShards shards(weights);
  shards.add(model, dp, tp, rank / tp, rank % tp);
  comm::together(test::world(), [&] {
    if (rank != 0) return;
    config::RunConfig config;
    config.output = run.string();
    config.model = model;
    config.data.train = {"bytes"};
    config.data.sequence_tokens = 32;
    config.train.steps = 3;
    fs::create_directories(run);
    std::ofstream(run / "config.yaml") << config::to_yaml(config);
  });
  checkpoint::save_state(test::world().all(), run, 3, shards.shards(), "{}");
}

TEST(ExportOnRanks, OfEveryGridsFilesIsTheSameFile) {
  const fs::path folder = shared_folder();
  const config::ModelConfig config = four_heads();
  const Weights weights(config, DType::kF32);
  model::initialize(weights.set(), config, 11);
  for (int tp = 1; tp <= std::min(test::world().size(), 4); tp *= 2) {
    save_run(folder / "run", weights.set(), config, tp);
    comm::together(test::world(), [&] {
      if (test::world().rank() != 0) return;
      EXPECT_TRUE(fs::exists(folder / "run" / "step-00000003" /
                             format("rank-{:05}.safetensors", test::world().size() - 1)));
      export_hf(folder / "expected", config, weights.set(), DType::kF32, SmallTokenizer(),
                checkpoint::ExistingFolder::kReplace);
      const ModelSource source = ModelSource::open(folder / "run");
      write_hf_model(folder / "out", source.config(), source.open_weights(), {},
                     {.stored = DType::kF32, .existing = checkpoint::ExistingFolder::kReplace});
      EXPECT_EQ(text_of(folder / "out" / "model.safetensors"),
                text_of(folder / "expected" / "model.safetensors"))
          << "tp " << tp;
    });
  }
  comm::together(test::world(), [&] {
    if (test::world().rank() == 0) fs::remove_all(folder);
  });
}

}  // namespace
}  // namespace lckv::train
