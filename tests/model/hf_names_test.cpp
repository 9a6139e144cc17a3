#include "lckv/model/hf_names.h"

#include <gmock/gmock.h>

#include "lckv/base/text.h"
#include "lckv/model/parameters.h"

namespace lckv::model {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

config::ModelConfig config_of(const std::string& layer_types, int layers) {
  config::ModelConfig config;
  config.hidden_size = 8;
  config.intermediate_size = 12;
  config.num_hidden_layers = layers;
  config.num_attention_heads = 2;
  config.vocab_size = 10;
  config.layer_types = layer_types;
  return config;
}

std::set<std::string> names_of(const config::ModelConfig& config) {
  std::set<std::string> names;
  for (const Parameter& parameter : make_parameter_table(config).parameters) {
    names.insert(parameter.name);
  }
  return names;
}

std::string key(int layer) { return format("model.layers.{}.self_attn.k_proj.weight", layer); }
std::string value(int layer) { return format("model.layers.{}.self_attn.v_proj.weight", layer); }

std::vector<std::string> tensors_for(const WeightSources& sources, const std::string& parameter) {
  for (const WeightSource& source : sources.of) {
    if (source.parameter == parameter) return source.tensors;
  }
  return {"no source"};
}

const config::ModelConfig kLckv = config_of("0_6_6_6_6_6_6_7", 8);
const std::set<std::string> kLlamaNames = names_of(config_of("", 8));

TEST(HfNames, TakesEveryParameterFromTheTensorOfItsName) {
  const WeightSources sources = find_weight_sources(kLckv, KvInit::kExact, names_of(kLckv), false);
  EXPECT_THAT(sources.missing, IsEmpty());
  EXPECT_THAT(sources.extra, IsEmpty());
  EXPECT_THAT(sources.must_be_equal, IsEmpty());
  EXPECT_EQ(sources.of.size(), make_parameter_table(kLckv).parameters.size());
  for (const WeightSource& source : sources.of) {
    EXPECT_THAT(source.tensors, ElementsAre(source.parameter));
  }
}

TEST(HfNames, RefusesProjectionsOfLayersThatNobodyReadsUnlessTheyMayBeDropped) {
  const WeightSources exact = find_weight_sources(kLckv, KvInit::kExact, kLlamaNames, false);
  EXPECT_THAT(exact.extra, ElementsAre(key(1), value(1), key(2), value(2), key(3), value(3), key(4),
                                       value(4), key(5), value(5)));
  const WeightSources copied = find_weight_sources(kLckv, KvInit::kCopy, kLlamaNames, false);
  EXPECT_THAT(copied.extra, IsEmpty());
  EXPECT_THAT(copied.missing, IsEmpty());
  EXPECT_THAT(tensors_for(copied, key(6)), ElementsAre(key(6)));
  EXPECT_THAT(tensors_for(copied, value(0)), ElementsAre(value(0)));
}

TEST(HfNames, AveragesOverTheReadersOfALayer) {
  const WeightSources sources = find_weight_sources(kLckv, KvInit::kAverage, kLlamaNames, false);
  EXPECT_THAT(sources.extra, IsEmpty());
  EXPECT_THAT(tensors_for(sources, key(6)),
              ElementsAre(key(1), key(2), key(3), key(4), key(5), key(6)));
  EXPECT_THAT(tensors_for(sources, value(6)),
              ElementsAre(value(1), value(2), value(3), value(4), value(5), value(6)));
  EXPECT_THAT(tensors_for(sources, key(0)), ElementsAre(key(0)));
  EXPECT_THAT(tensors_for(sources, key(7)), ElementsAre(key(7)));
}

TEST(HfNames, AveragesPairsThatShareTheLowerLayer) {
  const WeightSources sources =
      find_weight_sources(config_of("0_0_2_2_4_4_6_6", 8), KvInit::kAverage, kLlamaNames, false);
  EXPECT_THAT(tensors_for(sources, key(0)), ElementsAre(key(0), key(1)));
  EXPECT_THAT(tensors_for(sources, value(2)), ElementsAre(value(2), value(3)));
}

TEST(HfNames, LeavesALayerThatReadsAnotherOutOfItsOwnMean) {
  // Layer 2 is read by 0 and 1 but itself reads 3.
  const WeightSources sources = find_weight_sources(config_of("2_2_3_3", 4), KvInit::kAverage,
                                                    names_of(config_of("", 4)), false);
  EXPECT_THAT(tensors_for(sources, key(2)), ElementsAre(key(0), key(1)));
  EXPECT_THAT(tensors_for(sources, key(3)), ElementsAre(key(2), key(3)));
  EXPECT_THAT(sources.extra, IsEmpty());
}

TEST(HfNames, MissesEveryReaderOfAMean) {
  std::set<std::string> names = kLlamaNames;
  names.erase(key(3));
  names.erase(value(6));
  EXPECT_THAT(find_weight_sources(kLckv, KvInit::kAverage, names, false).missing,
              ElementsAre(key(3), value(6)));
  EXPECT_THAT(find_weight_sources(kLckv, KvInit::kCopy, names, false).missing,
              ElementsAre(value(6)));
}

TEST(HfNames, NamesEveryStrangeTensorInEveryMode) {
  std::set<std::string> names = kLlamaNames;
  names.insert(key(8));  // no such layer
  names.insert("model.layers.0.self_attn.q_proj.bias");
  for (const KvInit kv_init : {KvInit::kCopy, KvInit::kAverage}) {
    EXPECT_THAT(find_weight_sources(kLckv, kv_init, names, false).extra,
                ElementsAre("model.layers.0.self_attn.q_proj.bias", key(8)));
  }
}

TEST(HfNames, StartsAnUntiedHeadFromTheEmbeddingOnlyOfATiedSource) {
  std::set<std::string> names = names_of(kLckv);
  names.erase("lm_head.weight");
  EXPECT_THAT(find_weight_sources(kLckv, KvInit::kExact, names, false).missing,
              ElementsAre("lm_head.weight"));
  const WeightSources tied = find_weight_sources(kLckv, KvInit::kExact, names, true);
  EXPECT_THAT(tied.missing, IsEmpty());
  EXPECT_THAT(tensors_for(tied, "lm_head.weight"), ElementsAre("model.embed_tokens.weight"));
}

TEST(HfNames, TakesAHeadForATiedModelOnlyWhereItEqualsTheEmbedding) {
  config::ModelConfig tied = kLckv;
  tied.tie_word_embeddings = true;
  const WeightSources sources = find_weight_sources(tied, KvInit::kExact, names_of(kLckv), false);
  EXPECT_THAT(sources.extra, IsEmpty());
  EXPECT_THAT(sources.must_be_equal,
              ElementsAre(Pair("lm_head.weight", "model.embed_tokens.weight")));
  EXPECT_THAT(find_weight_sources(tied, KvInit::kExact, names_of(tied), false).must_be_equal,
              IsEmpty());
}

}  // namespace
}  // namespace lckv::model
