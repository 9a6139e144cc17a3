#include "exchange_fixture.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/checkpoint/state.h"
#include "lckv/config/load.h"
#include "lckv/train/model_source.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;

/// Some 50 million parameters: 200 MB in fp32, a third of them in the embedding.
config::ModelConfig large_config() {
  config::ModelConfig config;
  config.hidden_size = 512;
  config.intermediate_size = 1536;
  config.num_hidden_layers = 6;
  config.num_attention_heads = 8;
  config.vocab_size = 32000;
  config.bos_token_id = 1;
  return config;
}

/// Values that need no time: every element differs from its neighbours.
void fill(const View& to) {
  auto* values = to.data<float>();
  for (int64_t i = 0; i < to.numel(); ++i) values[i] = static_cast<float>(i % 8191) * 1e-4f;
}

/// How much more memory was resident at the most while `work` ran than before.
template <class Work>
int64_t growth_bytes(Work work) {
  reset_peak_resident();
  const int64_t before = resident_bytes();
  work();
  return peak_resident_bytes() - before;
}

/// A part in the stored type, and a mean's two buffers of doubles: 2^20 elements of (4 + 8 + 8)
/// bytes; as much again for what libraries keep.
constexpr int64_t kAllowedBytes = 2 * 20 * (int64_t{1} << 20);

class HfMemory : public ExchangeTest {
 protected:
  /// A run with one state, whose weights are in memory while it is saved.
  void save_run(const config::ModelConfig& model, const ReadPart& read) const {
    fs::create_directories(folder_ / "run");
    config::RunConfig run;
    run.output = (folder_ / "run").string();
    run.model = model;
    run.data.train = {"bytes"};
    run.data.sequence_tokens = 32;
    run.train.steps = 3;
    std::ofstream(folder_ / "run" / "config.yaml") << config::to_yaml(run);
    const Weights weights(model, DType::kF32);
    std::vector<checkpoint::Shard> shards;
    for (const model::Parameter& p : weights.set().table().parameters) {
      read(p, weights.set().view(p));
      shards.push_back(checkpoint::whole_shard("weight/" + p.name, weights.set().view(p)));
    }
    checkpoint::save_state(*comm::make_alone("one process"), folder_ / "run", 3, shards, "{}");
  }

  const ReadPart made_up_ = [](const model::Parameter&, const View& to) { fill(to); };
};

TEST_F(HfMemory, OfAnExportIsAPartOfATensor) {
  const config::ModelConfig config = large_config();
  const int64_t model_bytes = model::make_parameter_table(config).element_count() * 4;
  ASSERT_GT(model_bytes, 200'000'000);
  // The test of the test: weights in memory are seen.
  EXPECT_GT(growth_bytes([&] { save_run(config, made_up_); }), model_bytes * 9 / 10);
  const ModelSource source = ModelSource::open(folder_ / "run");
  const int64_t growth = growth_bytes([&] {
    write_hf_model(folder_ / "out", config, source.open_weights(), {}, {.stored = DType::kBF16});
  });
  EXPECT_LT(growth, kAllowedBytes);
  RecordProperty("growth_bytes", std::to_string(growth));
}

TEST_F(HfMemory, OfAnImportWithMeansIsAPartOfATensor) {
  config::ModelConfig config = large_config();
  write_hf_model(folder_ / "llama", config, made_up_, {},
                 {.stored = DType::kF32, .file_bytes = 70'000'000});
  config.layer_types = "0_4_4_4_4_5";
  const int64_t growth = growth_bytes([&] {
    const WeightReader reader(folder_ / "llama", config, KvInit::kAverage);
    write_hf_model(folder_ / "lckv", config,
                   [&](const model::Parameter& part, const View& to) { reader.read(part, to); }, {},
                   {.stored = DType::kF32});
  });
  EXPECT_LT(growth, kAllowedBytes);
  RecordProperty("growth_bytes", std::to_string(growth));
}

}  // namespace
}  // namespace lckv::train
