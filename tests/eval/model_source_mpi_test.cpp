#include <filesystem>
#include <fstream>

#include "grids.h"
#include "lckv/base/error.h"
#include "lckv/checkpoint/state.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/refusal.h"
#include "lckv/train/exchange.h"
#include "lckv/train/model_source.h"
#include "tiny_model.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using eval::TinyWeights;

/// The same model as a run's folder and as a Hugging Face folder, each rank's own copy.
class ModelSourceOnRanks : public testing::Test {
 protected:
  ModelSourceOnRanks() {
    run_ = folder_ / "run";
    hf_ = folder_ / "hf";
    save_run_folder(whole_.set());
    export_hf(hf_, config_, whole_.set(), DType::kF32, *data::bytes_tokenizer(),
              checkpoint::ExistingFolder::kRefuse);
  }
  ~ModelSourceOnRanks() override { fs::remove_all(folder_); }

  void save_run_folder(const model::ParameterSet& weights) {
    config::RunConfig run;
    run.output = run_.string();
    run.model = config_;
    run.data.train = {"bytes"};
    run.data.sequence_tokens = 32;
    run.train.steps = 3;
    run.train.sequences_per_step = 4;
    fs::create_directories(run_);
    std::ofstream(run_ / "config.yaml") << config::to_yaml(run);
    std::vector<checkpoint::Shard> shards;
    for (const model::Parameter& p : weights.table().parameters) {
      shards.push_back(checkpoint::whole_shard("weight/" + p.name, weights.view(p)));
    }
    const auto alone = comm::make_alone("one process");
    checkpoint::save_state(*alone, run_, 3, shards, "{}");
  }

  bool is_last() const { return test::world().rank() == test::world().size() - 1; }
  std::string last_rank() const {
    return format("rank {} ({})", test::world().size() - 1, test::world().host());
  }

  fs::path folder_ = eval::rank_folder();
  fs::path run_, hf_;
  config::ModelConfig config_ = eval::tiny_shared_config();
  TinyWeights whole_{config_, DType::kF32};
};

TEST_F(ModelSourceOnRanks, LoadsEachRanksShareBitForBit) {
  for (const int tensor : eval::tensor_extents()) {
    const comm::Communicators ranks = eval::join_grid(config_, tensor);
    const TinyWeights expected(config_, DType::kF32, eval::share_of(ranks));
    for (const fs::path& place : {run_, run_ / "step-00000003", hf_}) {
      const LoadedWeights loaded = ModelSource::open(place).load(DType::kF32, ranks);
      const auto &ours = loaded.weights.storages(), &theirs = expected.set().storages();
      EXPECT_EQ(ours.size(), theirs.size());
      for (size_t i = 0; i < std::min(ours.size(), theirs.size()); ++i) {
        EXPECT_TRUE(test::bit_equal(ours[i], theirs[i]))
            << place << " storage " << i << " on " << to_string(ranks.grid);
      }
    }
  }
}

TEST_F(ModelSourceOnRanks, OpensTheStateThatRank0ChoosesOnAll) {
  const auto shared = comm::gather_texts(test::world().all(), run_.string()).front();
  const ModelSource source = ModelSource::open(test::world(), shared);
  EXPECT_EQ(source.describe(), (fs::path(shared) / "step-00000003").string());
  EXPECT_EQ(source.sequence_tokens(), 32);
}

TEST_F(ModelSourceOnRanks, NamesTheRankThatMissesTheFolder) {
  const fs::path place = is_last() ? folder_ / "nowhere" : hf_;
  test::expect_refusal<Error>([&] { ModelSource::open(test::world(), place); },
                              last_rank() + ": " + "/");
  const std::string nowhere = "/nowhere/model";
  try {
    ModelSource::open(test::world(), nowhere);
    ADD_FAILURE() << "opened " << nowhere;
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), nowhere + ": no such folder");
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
  }
}

TEST_F(ModelSourceOnRanks, RefusesAnotherModelOnOneRank) {
  if (is_last()) {
    config_.rope_theta = 20000;
    save_run_folder(whole_.set());
  }
  test::expect_refusal<comm::AgreedError>([&] { ModelSource::open(test::world(), run_); },
                                          last_rank() + ": model differs from rank 0's");
}

/// A part of a tensor that is too large would be there to read.
TEST_F(ModelSourceOnRanks, RefusesATensorOfAnotherShapeOnEveryGrid) {
  config::ModelConfig larger = config_;
  larger.vocab_size = 300;
  save_run_folder(TinyWeights(larger, DType::kF32).set());
  for (const int tensor : eval::tensor_extents()) {
    const comm::Communicators ranks = eval::join_grid(config_, tensor);
    test::expect_refusal<DataError>([&] { ModelSource::open(run_).load(DType::kF32, ranks); },
                                    "tensor 'weight/model.embed_tokens.weight': expected shape "
                                    "[258, 16], the state has [300, 16]");
  }
}

}  // namespace
}  // namespace lckv::train
