#include "lckv/train/exchange.h"

#include "exchange_fixture.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/config/load.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/refusal.h"

namespace lckv::train {
namespace {

using checkpoint::ExistingFolder;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Exchange : public ExchangeTest {
 protected:
  std::string text_of(const std::string& name) const { return train::text_of(out_ / name); }
  void write_tensors(const std::filesystem::path& path, const config::ModelConfig& config,
                     const std::string& without = "", const std::string& also = "",
                     const Shape& shape_of_also = {4, 4}) const {
    Weights weights(config, DType::kF32);
    model::initialize(weights.set(), config, 5);
    const Buffer extra(DType::kF32, shape_of_also);
    std::vector<checkpoint::NamedTensor> tensors;
    for (const auto& parameter : weights.set().table().parameters) {
      if (parameter.name == without) continue;
      tensors.push_back({parameter.name, weights.set().view(parameter), DType::kF32});
    }
    if (!also.empty()) tensors.push_back({also, extra.view(), DType::kF32});
    checkpoint::write_safetensors(path, tensors);
  }
  void export_to_out(const config::ModelConfig& config, const Weights& weights,
                     DType stored) const {
    export_hf(out_, config, weights.set(), stored, tokenizer_, ExistingFolder::kReplace);
  }

  std::filesystem::path out_ = folder_ / "out";
  SmallTokenizer tokenizer_;
};

TEST_F(Exchange, BringsEveryBitBack) {
  for (const char* layer_types : {"0_6_6_6_6_6_6_7", "", "0s_1s_2s_3s_4_4_4_4"}) {
    const config::ModelConfig config = golden_config(layer_types);
    Weights weights(config, DType::kF32), back(config, DType::kF32);
    model::initialize(weights.set(), config, 11);
    export_to_out(config, weights, DType::kF32);
    import_weights(out_, config, KvInit::kExact, back.set());
    EXPECT_EQ(hash_of(back), hash_of(weights));
    import_weights(out_ / "model.safetensors", config, KvInit::kExact, back.set());
    EXPECT_EQ(hash_of(back), hash_of(weights));
  }
}

TEST_F(Exchange, RoundsToBf16Once) {
  const config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  Weights weights(config, DType::kF32), back(config, DType::kF32);
  model::initialize(weights.set(), config, 11);
  export_to_out(config, weights, DType::kBF16);
  import_weights(out_, config, KvInit::kExact, back.set());
  for (size_t s = 0; s < weights.set().storages().size(); ++s) {
    const View from = weights.set().storages()[s], to = back.set().storages()[s];
    for (int64_t i = 0; i < from.numel(); ++i) {
      ASSERT_EQ(to.data<float>()[i], static_cast<float>(BFloat16(from.data<float>()[i])));
    }
  }
  EXPECT_THAT(text_of("config.json"), HasSubstr("\"torch_dtype\": \"bfloat16\""));
}

TEST_F(Exchange, WritesKeysAndValuesOfKvLayersAlone) {
  const config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  export_to_out(config, Weights(config, DType::kF32), DType::kF32);
  const auto tensors = checkpoint::TensorSet::open(out_);
  EXPECT_EQ(tensors.names().size(), 8u * 9 + 3 - 10);
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(tensors.contains(key(i)), i == 0 || i >= 6) << i;
    EXPECT_EQ(tensors.contains(value(i)), i == 0 || i >= 6) << i;
  }
}

TEST_F(Exchange, WritesAConfigThatReadsBackEqual) {
  const config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  export_to_out(config, Weights(config, DType::kF32), DType::kF32);
  const config::ModelConfig back = config::load_hf_config((out_ / "config.json").string());
  EXPECT_EQ(back.layer_types, "0_6_6_6_6_6_6_7");
  EXPECT_EQ(back.hidden_size, 32);
  EXPECT_EQ(back.num_key_value_heads, 2);
  EXPECT_EQ(back.bos_token_id, 1);  // the tokenizer's: the config had none
  EXPECT_EQ(back.eos_token_id, 2);
  EXPECT_THAT(text_of("config.json"), HasSubstr("\"lckv-llama\""));
  export_to_out(golden_config(""), Weights(golden_config(""), DType::kF32), DType::kF32);
  EXPECT_THAT(text_of("config.json"), HasSubstr("\"LlamaForCausalLM\""));
}

TEST_F(Exchange, WritesASentencePieceTokenizerForLlama) {
  tokenizer_.model_ = std::string("model\0bytes", 11);
  const config::ModelConfig config = golden_config("");
  export_to_out(config, Weights(config, DType::kF32), DType::kF32);
  EXPECT_EQ(text_of("tokenizer.model"), tokenizer_.model_);
  for (const char* field : {"\"tokenizer_class\": \"LlamaTokenizer\"", "\"bos_token\": \"<s>\"",
                            "\"eos_token\": \"</s>\"", "\"unk_token\": \"<unk>\"",
                            "\"add_bos_token\": true", "\"legacy\": false"}) {
    EXPECT_THAT(text_of("tokenizer_config.json"), HasSubstr(field));
  }
  EXPECT_EQ(hf_tokenizer_spec(out_), (out_ / "tokenizer.model").string());
}

TEST_F(Exchange, NamesTheBytesTokenizer) {
  const config::ModelConfig config = golden_config("");
  export_to_out(config, Weights(config, DType::kF32), DType::kF32);
  EXPECT_FALSE(std::filesystem::exists(out_ / "tokenizer.model"));
  EXPECT_EQ(hf_tokenizer_spec(out_), "bytes");
  EXPECT_EQ(hf_tokenizer_spec(folder_), "");
  std::ofstream(out_ / "tokenizer_config.json") << R"({"lckv_tokenizer_kind": "words"})";
  test::expect_refusal<DataError>([&] { hf_tokenizer_spec(out_); },
                                  "lckv_tokenizer_kind: expected \"bytes\", got \"words\"");
}

TEST_F(Exchange, RefusesToReplaceAFolderUnlessAsked) {
  const config::ModelConfig config = golden_config("");
  const Weights weights(config, DType::kF32);
  export_hf(out_, config, weights.set(), DType::kF32, tokenizer_, ExistingFolder::kRefuse);
  EXPECT_THROW(
      export_hf(out_, config, weights.set(), DType::kBF16, tokenizer_, ExistingFolder::kRefuse),
      DataError);
  EXPECT_THAT(text_of("config.json"), HasSubstr("float32"));
}

TEST_F(Exchange, RefusesATokenizerThatIsNotTheModels) {
  config::ModelConfig config = golden_config("");
  config.bos_token_id = 7;
  const Weights weights(config, DType::kF32);
  test::expect_refusal<ConfigError>([&] { export_to_out(config, weights, DType::kF32); },
                                    "model.bos_token_id is 7, but the tokenizer's is 1");
  config.vocab_size = 60;
  test::expect_refusal<ConfigError>([&] { export_to_out(config, weights, DType::kF32); },
                                    "model.vocab_size is 60, but the tokenizer has 61 tokens");
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(Exchange, CopiesTheProjectionsOfKvLayers) {
  const config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  const Weights ours(config, DType::kF64);
  import_weights(kGoldenWeights, config, KvInit::kCopy, ours.set());
  const auto golden = checkpoint::SafetensorsFile::open(kGoldenWeights);
  for (const model::Parameter& parameter : ours.set().table().parameters) {
    const Buffer expected(DType::kF64, parameter.shape);
    golden.read(parameter.name, expected.view());
    EXPECT_TRUE(test::bit_equal(ours[parameter.name], expected.view())) << parameter.name;
  }
}

TEST_F(Exchange, AveragesTheProjectionsOfAllReaders) {
  const config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  const Weights whole(golden_config(""), DType::kF64);
  import_weights(kGoldenWeights, golden_config(""), KvInit::kExact, whole.set());
  const Weights doubles(config, DType::kF64), singles(config, DType::kF32);
  import_weights(kGoldenWeights, config, KvInit::kAverage, doubles.set());
  import_weights(kGoldenWeights, config, KvInit::kAverage, singles.set());
  for (const auto name_of : {key, value}) {
    const std::string name = name_of(6);
    for (int64_t i = 0; i < doubles[name].numel(); ++i) {
      double sum = 0;
      for (int layer = 1; layer <= 6; ++layer) sum += whole[name_of(layer)].data<double>()[i];
      // The same sum in the same order: equal to the last bit, and rounded once for float.
      ASSERT_EQ(doubles[name].data<double>()[i], sum / 6);
      ASSERT_EQ(singles[name].data<float>()[i], static_cast<float>(sum / 6));
    }
  }
  for (const std::string& name :
       {key(0), value(7), std::string("model.layers.3.mlp.up_proj.weight")}) {
    EXPECT_TRUE(test::bit_equal(doubles[name], whole[name])) << name;
  }
}

TEST_F(Exchange, NamesTensorsThatHaveNoPlace) {
  const config::ModelConfig config = golden_config("0_6_6_6_6_6_6_7");
  const Weights ours(config, DType::kF32);
  const auto exact = [&] { import_weights(kGoldenWeights, config, KvInit::kExact, ours.set()); };
  test::expect_refusal<DataError>(exact,
                                  kGoldenWeights + ": 10 tensors have no place in the model:");
  test::expect_refusal<DataError>(exact, key(1));
  test::expect_refusal<DataError>(exact, "train.init_kv");
}

TEST_F(Exchange, NamesEveryMissingTensor) {
  const config::ModelConfig lckv = golden_config("0_6_6_6_6_6_6_7");
  export_to_out(lckv, Weights(lckv, DType::kF32), DType::kF32);
  const Weights llama(golden_config(""), DType::kF32);
  const auto load = [&] { import_weights(out_, golden_config(""), KvInit::kExact, llama.set()); };
  test::expect_refusal<DataError>(load, out_.string() + ": 10 tensors are missing:");
  test::expect_refusal<DataError>(load, value(5));
}

TEST_F(Exchange, LeavesTheWeightsAloneWhenAShapeIsWrong) {
  const config::ModelConfig config = golden_config("");
  const std::string name = "model.layers.5.mlp.down_proj.weight";
  write_tensors(folder_ / "x.safetensors", config, name, name, {48, 32});
  const Weights ours(config, DType::kF32);
  test::expect_refusal<DataError>(
      [&] { import_weights(folder_ / "x.safetensors", config, KvInit::kExact, ours.set()); },
      name + ": shape [48, 32], expected [32, 48]");
  const Weights untouched(config, DType::kF32);
  EXPECT_EQ(hash_of(ours), hash_of(untouched));
}

TEST_F(Exchange, RefusesASourceWithOtherHeads) {
  config::ModelConfig config = golden_config("");
  config.num_key_value_heads = 4;
  config.head_dim = 8;
  export_to_out(config, Weights(config, DType::kF32), DType::kF32);
  config.num_attention_heads = 2;  // of width 16: projections of the same shapes
  config.num_key_value_heads = 2;
  config.head_dim = 16;
  const Weights ours(config, DType::kF32);
  test::expect_refusal<DataError>(
      [&] { import_weights(out_, config, KvInit::kExact, ours.set()); },
      "config.json: num_attention_heads is 4, but the model to fill has 2");
}

TEST_F(Exchange, StartsAnUntiedHeadFromTheEmbeddingOfATiedModel) {
  config::ModelConfig tied = golden_config("");
  tied.tie_word_embeddings = true;
  Weights source(tied, DType::kF32);
  model::initialize(source.set(), tied, 3);
  export_to_out(tied, source, DType::kF32);
  EXPECT_FALSE(checkpoint::TensorSet::open(out_).contains("lm_head.weight"));
  const Weights untied(golden_config(""), DType::kF32);
  import_weights(out_, golden_config(""), KvInit::kExact, untied.set());
  EXPECT_TRUE(test::bit_equal(untied["lm_head.weight"], source["model.embed_tokens.weight"]));
  // The bare file does not say that it is tied: its head may have been lost.
  test::expect_refusal<DataError>(
      [&] {
        import_weights(out_ / "model.safetensors", golden_config(""), KvInit::kExact, untied.set());
      },
      "lm_head.weight");
}

TEST_F(Exchange, FillsATiedModelOnlyFromEqualEmbeddings) {
  config::ModelConfig tied = golden_config("");
  tied.tie_word_embeddings = true;
  Weights source(golden_config(""), DType::kF32);
  const Weights ours(tied, DType::kF32);
  model::initialize(source.set(), golden_config(""), 3);
  export_to_out(golden_config(""), source, DType::kF32);
  test::expect_refusal<DataError>(
      [&] { import_weights(out_, tied, KvInit::kExact, ours.set()); },
      "the model ties its embeddings, but lm_head.weight and model.embed_tokens.weight differ");
  const View embedding = source["model.embed_tokens.weight"];
  std::copy_n(embedding.data<float>(), embedding.numel(), source["lm_head.weight"].data<float>());
  export_to_out(golden_config(""), source, DType::kF32);
  import_weights(out_, tied, KvInit::kExact, ours.set());
  EXPECT_TRUE(test::bit_equal(ours["model.embed_tokens.weight"], embedding));
}

TEST_F(Exchange, LeavesTablesOfFrequenciesAlone) {
  const config::ModelConfig config = golden_config("");
  const Weights ours(config, DType::kF32);
  const std::string table = "model.layers.3.self_attn.rotary_emb.inv_freq";
  write_tensors(folder_ / "old.safetensors", config, "", table, {4});
  const WeightReader reader(folder_ / "old.safetensors", config, KvInit::kExact);
  EXPECT_THAT(reader.unused(), ElementsAre(table));
  write_tensors(folder_ / "odd.safetensors", config, "", "model.layers.3.inv_freq", {4});
  test::expect_refusal<DataError>(
      [&] { WeightReader(folder_ / "odd.safetensors", config, KvInit::kExact); },
      "model.layers.3.inv_freq");
}

TEST_F(Exchange, CarriesTokenizerFilesAsTheyAre) {
  std::filesystem::create_directories(out_);
  const HfFiles files = {{"tokenizer.json", std::string("{\0}", 3)},
                         {"special_tokens_map.json", "{}"},
                         {"generation_config.json", "{\n}"}};
  for (const auto& [name, bytes] : files) std::ofstream(out_ / name) << bytes;
  std::ofstream(out_ / "config.json") << "{}";
  std::ofstream(out_ / "README.md") << "a model";
  EXPECT_EQ(hf_carried_files(out_), files);
  EXPECT_EQ(hf_carried_files(folder_), HfFiles());
}

}  // namespace
}  // namespace lckv::train
