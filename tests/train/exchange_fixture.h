#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/communicators.h"
#include "lckv/model/init.h"
#include "lckv/train/exchange.h"

namespace lckv::train {

inline const std::string kGoldenWeights = LCKV_SOURCE_DIR "/tests/golden/weights_a.safetensors";

/// Architecture of the golden weights, which hold keys and values of all eight layers.
inline config::ModelConfig golden_config(const std::string& layer_types) {
  config::ModelConfig config;
  config.hidden_size = 32;
  config.intermediate_size = 48;
  config.num_hidden_layers = 8;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.vocab_size = 61;
  config.layer_types = layer_types;
  return config;
}

/// A tokenizer as small as the golden vocabulary.
class SmallTokenizer : public data::Tokenizer {
 public:
  std::string kind() const override { return "bytes"; }
  std::string sha256() const override { return ""; }
  std::string_view model_bytes() const override { return model_; }
  int32_t vocab_size() const override { return 61; }
  std::optional<int32_t> bos_id() const override { return 1; }
  std::optional<int32_t> eos_id() const override { return 2; }
  std::vector<int32_t> encode(std::string_view) const override { return {}; }
  std::vector<int32_t> encode_after_newline(std::string_view) const override { return {}; }
  bool can_split_at_newline() const override { return false; }
  std::string decode(std::span<const int32_t>) const override { return ""; }
  std::string piece(int32_t id) const override {
    return id == 0 ? "<unk>" : id == 1 ? "<s>" : id == 2 ? "</s>" : "x";
  }

  std::string model_;
};

class Weights {
 public:
  Weights(const config::ModelConfig& config, DType dtype)
      : table_(model::make_parameter_table(config)), plan_(Arena::planning()) {
    const model::ParameterSet planned(table_, plan_, "weights", dtype);
    arena_ = std::make_unique<Arena>(Arena::allocate(plan_));
    set_ = std::make_unique<model::ParameterSet>(table_, *arena_, "weights", dtype);
  }
  const model::ParameterSet& set() const { return *set_; }
  View operator[](const std::string& name) const { return set_->view(set_->table().find(name)); }

 private:
  model::ParameterTable table_;
  Arena plan_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<model::ParameterSet> set_;
};

inline uint64_t hash_of(const Weights& weights) {
  Stream stream;
  return model::content_hash(stream, weights.set(), *comm::single_process().tp);
}

inline std::string key(int layer) {
  return format("model.layers.{}.self_attn.k_proj.weight", layer);
}
inline std::string value(int layer) {
  return format("model.layers.{}.self_attn.v_proj.weight", layer);
}

/// Every parameter of a set, after all checks.
inline void import_weights(const std::filesystem::path& from, const config::ModelConfig& config,
                           KvInit kv_init, const model::ParameterSet& to) {
  const WeightReader reader(from, config, kv_init);
  for (const model::Parameter& parameter : to.table().parameters) {
    reader.read(parameter, to.view(parameter));
  }
}

/// An empty folder for each test, removed after it.
class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("lckv_" + std::string(test->test_suite_name()) + "_" + test->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~ExchangeTest() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

inline std::string text_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace lckv::train
