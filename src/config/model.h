#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace lckv::config {

/// YAML section `model:`, and the fields of a Hugging Face config.json (spec/lckv.md 9.2). Names
/// are Hugging Face's.
struct ModelConfig {
  std::string from;  // a config.json to read first; the other keys then override its fields

  int64_t hidden_size = 0;          // C
  int64_t intermediate_size = 0;    // F
  int64_t num_hidden_layers = 0;    // L
  int64_t num_attention_heads = 0;  // Hq
  int64_t num_key_value_heads = 0;  // Hkv; 0: as num_attention_heads
  int64_t head_dim = 0;             // D; 0: hidden_size / num_attention_heads
  int64_t vocab_size = 0;           // V
  int64_t max_position_embeddings = 2048;
  double rms_norm_eps = 1e-5;
  double rope_theta = 10000;
  bool tie_word_embeddings = false;
  double initializer_range = 0.02;
  std::optional<int64_t> bos_token_id;
  std::optional<int64_t> eos_token_id;
  std::optional<int64_t> pad_token_id;

  std::string layer_types;        // "": the identity 0_1_2_..., a plain Llama
  int64_t forward_passes = 7;     // m, without gradient
  int64_t backward_passes = 2;    // b, with gradient
  int64_t sliding_window = 4096;  // W of layers with suffix s
  bool force_nodiag = false;      // strict mask in every layer
  bool use_sequential = false;    // accepted in files; refused for training
};

}  // namespace lckv::config
