#include <cmath>
#include <fstream>

#include "exchange_fixture.h"
#include "hand_made_shards.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/state.h"
#include "lckv/config/load.h"
#include "lckv/train/model_source.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using checkpoint::ExistingFolder;

/// Files of a folder by name: equal maps are equal folders, byte for byte.
HfFiles contents(const fs::path& folder) {
  HfFiles files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files[entry.path().filename().string()] = text_of(entry.path());
  }
  return files;
}

/// Stored bytes of every tensor, whatever file it is in.
HfFiles tensors_of(const fs::path& folder) {
  const auto set = checkpoint::TensorSet::open(folder);
  HfFiles tensors;
  for (const std::string& name : set.names()) {
    const auto file = checkpoint::SafetensorsFile::open(set.path_of(name));
    const auto bytes = file.bytes_of(name);
    tensors[name] =
        text_of(file.path())
            .substr(static_cast<size_t>(bytes.begin), static_cast<size_t>(bytes.end - bytes.begin));
  }
  return tensors;
}

/// A source whose tensors are `stored`, exported from random weights.
class HfRoundTrip : public ExchangeTest {
 protected:
  fs::path source(const std::string& layer_types, DType stored) const {
    const config::ModelConfig config = golden_config(layer_types);
    const Weights weights(config, DType::kF32);
    model::initialize(weights.set(), config, 11);
    const fs::path place = folder_ / format("source_{}", name(stored));
    export_hf(place, config, weights.set(), stored, SmallTokenizer(), ExistingFolder::kReplace);
    return place;
  }
  fs::path import(const fs::path& from, const config::ModelConfig& config, KvInit kv_init,
                  const std::string& to, int64_t file_bytes = checkpoint::kHfFileBytes) const {
    const WeightReader reader(from, config, kv_init);
    write_hf_model(folder_ / to, config,
                   [&](const model::Parameter& part, const View& view) { reader.read(part, view); },
                   hf_carried_files(from),
                   {.stored = reader.stored_dtype(), .file_bytes = file_bytes});
    return folder_ / to;
  }
  static config::ModelConfig config_of(const fs::path& folder) {
    return config::load_hf_config((folder / "config.json").string());
  }
};

TEST_F(HfRoundTrip, ImportAsTheSameModelIsTheIdentityForEveryByte) {
  for (const char* const layer_types : {"", "0_6_6_6_6_6_6_7"}) {
    for (const DType stored : {DType::kBF16, DType::kF32}) {
      const fs::path from = source(layer_types, stored);
      const std::string to = format("{}_{}", layer_types, name(stored));
      EXPECT_EQ(contents(import(from, config_of(from), KvInit::kCopy, to)), contents(from)) << to;
    }
  }
}

/// To nearest, ties to even, by scaling to whole numbers: exact for what is not tiny.
double nearest_bf16(double value) {
  if (value == 0) return value;
  const int last_bit = std::ilogb(value) - 7;
  return std::ldexp(std::nearbyint(std::ldexp(value, -last_bit)), last_bit);
}

TEST_F(HfRoundTrip, AMeanOfBf16IsRoundedOnce) {
  const fs::path from = source("", DType::kBF16);
  config::ModelConfig lckv = config_of(from);
  lckv.layer_types = "0_6_6_6_6_6_6_7";
  const auto made = checkpoint::TensorSet::open(import(from, lckv, KvInit::kAverage, "mean"));
  const auto llama = checkpoint::TensorSet::open(from);
  const Shape shape = llama.info(key(1)).shape;
  std::vector<double> sum(static_cast<size_t>(shape.numel()), 0.0), one(sum.size());
  for (int layer = 1; layer <= 6; ++layer) {
    llama.read(key(layer), View(one.data(), DType::kF64, shape));
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += one[i];
  }
  ASSERT_EQ(made.info(key(6)).dtype, DType::kBF16);
  made.read(key(6), View(one.data(), DType::kF64, shape));
  for (size_t i = 0; i < sum.size(); ++i) ASSERT_EQ(one[i], nearest_bf16(sum[i] / 6)) << i;
}

TEST_F(HfRoundTrip, ManyFilesHoldWhatOneHolds) {
  const fs::path from = source("0_6_6_6_6_6_6_7", DType::kF32);
  const config::ModelConfig config = config_of(from);
  const HfFiles expected = tensors_of(from);
  size_t files_before = 1;
  for (const int64_t file_bytes : {100'000, 20'000, 1}) {
    const fs::path many =
        import(from, config, KvInit::kExact, format("many_{}", file_bytes), file_bytes);
    EXPECT_EQ(tensors_of(many), expected);
    const size_t files = contents(many).size();
    EXPECT_GT(files, files_before);
    files_before = files;
    // And back into one.
    const fs::path one = import(many, config, KvInit::kExact, format("one_{}", file_bytes));
    EXPECT_EQ(contents(one), contents(from));
  }
}

TEST_F(HfRoundTrip, AnInterruptedExportLeavesNothing) {
  const config::ModelConfig config = golden_config("");
  const Weights weights(config, DType::kF32);
  std::atomic<bool> stop = false;
  int parts = 0;
  const ReadPart read = [&](const model::Parameter&, const View&) { stop = ++parts == 5; };
  EXPECT_THROW(write_hf_model(folder_ / "out", config, read, {}, {.stop = &stop}), Interrupted);
  EXPECT_EQ(parts, 5);
  EXPECT_TRUE(fs::is_empty(folder_));
}

/// A state as the ranks of a grid save it, and the Hugging Face folder that comes out of it.
class StateOfGrid : public ExchangeTest {
 protected:
  StateOfGrid() { model::initialize(weights_.set(), config_, 11); }

  static config::ModelConfig odd_config() {
    config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
    config.intermediate_size = 52;  // rows that a stretch of memory cuts
    return config;
  }
  fs::path save(int dp, int tp) const {
    const fs::path run = folder_ / format("run_{}_{}", dp, tp);
    fs::create_directories(run);
    config::RunConfig config;
    config.output = run.string();
    config.model = config_;
    config.data.train = {"bytes"};
    config.data.sequence_tokens = 32;
    config.train.steps = 3;
    std::ofstream(run / "config.yaml") << config::to_yaml(config);
    HandMadeShards shards(weights_.set());
    for (int d = 0; d < dp; ++d) {
      for (int t = 0; t < tp; ++t) shards.add(config_, dp, tp, d, t);
    }
    const auto alone = comm::make_alone("one process");
    checkpoint::save_state(*alone, run, 3, shards.shards(), "{}");
    return run;
  }
  fs::path exported(const fs::path& run, DType stored, const std::string& name) const {
    const ModelSource source = ModelSource::open(run);
    write_hf_model(folder_ / name, with_token_ids(source.config(), tokenizer_),
                   source.open_weights(), hf_tokenizer_files(tokenizer_, source.config()),
                   {.stored = stored});
    return folder_ / name;
  }

  config::ModelConfig config_ = odd_config();
  Weights weights_{config_, DType::kF32};
  SmallTokenizer tokenizer_;
};

TEST_F(StateOfGrid, BecomesTheSameFolderOnEveryGrid) {
  for (const DType stored : {DType::kF32, DType::kBF16}) {
    const fs::path expected = folder_ / format("expected_{}", name(stored));
    export_hf(expected, config_, weights_.set(), stored, tokenizer_, ExistingFolder::kRefuse);
    for (const auto& [dp, tp] : {std::pair{1, 1}, {2, 2}, {1, 4}, {4, 1}}) {
      const std::string grid = format("hf_{}_{}_{}", dp, tp, name(stored));
      EXPECT_EQ(contents(exported(save(dp, tp), stored, grid)), contents(expected)) << grid;
    }
  }
}

/// The test of the test: of a damaged division something must be seen.
TEST_F(StateOfGrid, ShiftedByOneElementIsAnotherFolder) {
  const fs::path before = exported(save(2, 2), DType::kF32, "before");
  const View up = weights_["model.layers.5.mlp.up_proj.weight"];
  std::swap(up.data<float>()[51], up.data<float>()[52]);
  EXPECT_NE(contents(exported(save(2, 2), DType::kF32, "after")), contents(before));
}

TEST_F(StateOfGrid, ExportImportExportMakesTheSameFiles) {
  const fs::path first = exported(save(2, 2), DType::kF32, "first");
  const config::ModelConfig config = config::load_hf_config((first / "config.json").string());
  const WeightReader reader(first, config, KvInit::kCopy);
  write_hf_model(folder_ / "second", config,
                 [&](const model::Parameter& part, const View& to) { reader.read(part, to); },
                 hf_carried_files(first), {.stored = reader.stored_dtype()});
  EXPECT_EQ(contents(folder_ / "second"), contents(first));
  const ModelSource second = ModelSource::open(folder_ / "second");
  write_hf_model(folder_ / "third", second.config(), second.open_weights(),
                 hf_carried_files(folder_ / "second"), {.stored = DType::kF32});
  EXPECT_EQ(contents(folder_ / "third"), contents(first));
}

}  // namespace
}  // namespace lckv::train
