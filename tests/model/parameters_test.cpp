#include "lckv/model/parameters.h"

#include <set>

#include <gtest/gtest.h>

#include "lckv/test_support/test_network.h"

namespace lckv::model {
namespace {

struct Size {
  const char* name;
  int64_t C, F, L, Hq, Hkv;
  int warm_up;  // w of the LCKV layout; -1: plain Llama
  int64_t parameters;
};

config::ModelConfig config_of(const Size& size) {
  config::ModelConfig config;
  config.hidden_size = size.C;
  config.intermediate_size = size.F;
  config.num_hidden_layers = size.L;
  config.num_attention_heads = size.Hq;
  config.num_key_value_heads = size.Hkv;
  config.vocab_size = 32000;
  if (size.warm_up < 0) return config;
  const int64_t start = size.warm_up / 2, end = size.L - size.warm_up / 2;
  for (int64_t i = 0; i < size.L; ++i) {
    const bool condensed = start <= i && i < end;
    config.layer_types += format("{}{}", i == 0 ? "" : "_", condensed ? end - 1 : i);
  }
  return config;
}

TEST(Parameters, AreAsManyAsTheSpecificationCounts) {
  const Size sizes[] = {
      {"50M", 512, 1024, 8, 8, 4, -1, 51651072},
      {"50M w=2", 512, 1024, 8, 8, 4, 2, 50340352},
      {"50M w=0", 512, 1024, 8, 8, 4, 0, 49816064},
      {"110M", 768, 2048, 12, 12, 6, -1, 127027968},
      {"110M w=2", 768, 2048, 12, 12, 6, 2, 121719552},
      {"TinyLlama", 2048, 5632, 22, 32, 4, -1, 1100048384},
      {"TinyLlama w=2", 2048, 5632, 22, 32, 4, 2, 1080125440},
      {"TinyLlama w=10", 2048, 5632, 22, 32, 4, 10, 1088514048},
      {"7B", 4096, 11008, 32, 32, 32, -1, 6738415616},
      {"7B w=2", 4096, 11008, 32, 32, 32, 2, 5765337088},
      {"7B w=10", 4096, 11008, 32, 32, 32, 10, 6033772544},
      {"30B", 6656, 17920, 60, 52, 52, -1, 32528943616},
      {"30B w=2", 6656, 17920, 60, 52, 52, 2, 27478477312},
      {"30B w=10", 6656, 17920, 60, 52, 52, 10, 28187314688},
  };
  for (const Size& size : sizes) {
    EXPECT_EQ(make_parameter_table(config_of(size)).element_count(), size.parameters) << size.name;
  }
}

TEST(Parameters, OfKeysAndValuesExistForKvLayersOnly) {
  std::set<std::string> names;
  for (const Parameter& p : make_parameter_table(test::small_config("0_3_3_3_4")).parameters) {
    names.insert(p.name);
  }
  for (int i = 0; i < 5; ++i) {
    const bool owns = i == 0 || i >= 3;
    EXPECT_EQ(names.contains(format("model.layers.{}.self_attn.k_proj.weight", i)), owns);
    EXPECT_EQ(names.contains(format("model.layers.{}.self_attn.v_proj.weight", i)), owns);
    EXPECT_TRUE(names.contains(format("model.layers.{}.self_attn.q_proj.weight", i)));
  }
  EXPECT_TRUE(names.contains("lm_head.weight"));
}

TEST(Parameters, OfATiedHeadAreTheEmbedding) {
  config::ModelConfig config = test::small_config("0_1");
  config.tie_word_embeddings = true;
  const ParameterTable table = make_parameter_table(config);
  EXPECT_THROW(table.find("lm_head.weight"), InternalError);
  Arena planned = Arena::planning();
  ParameterSet(table, planned, "weights", DType::kF32);
  Arena arena = Arena::allocate(planned);
  const ParameterSet set(table, arena, "weights", DType::kF32);
  EXPECT_EQ(set.head().raw(), set.embedding().raw());
}

TEST(Parameters, OfOneStorageLieBelowEachOther) {
  test::TestNetwork network(test::small_config("0_1"),
                            model_options(test::small_config("0_1"), DType::kF32, 1, 1));
  const ParameterSet& set = network.weights();
  const Parameter& gate = set.table().find("model.layers.1.mlp.gate_proj.weight");
  const Parameter& up = set.table().find("model.layers.1.mlp.up_proj.weight");
  EXPECT_EQ(set.view(gate).raw(), set.layer(1).gate_up.raw());
  EXPECT_EQ(set.view(up).raw(), set.layer(1).gate_up.slice(0, 10, 20).raw());
  int64_t elements = 0;
  for (const View& storage : set.storages()) elements += storage.numel();
  EXPECT_EQ(elements, set.table().element_count());
}

TEST(Parameters, DecayExactlyWhereTheyAreMatrices) {
  for (const Parameter& p : make_parameter_table(test::small_config("0_3_3_3_4")).parameters) {
    EXPECT_EQ(p.decays, p.shape.rank() == 2) << p.name;
  }
}

}  // namespace
}  // namespace lckv::model
