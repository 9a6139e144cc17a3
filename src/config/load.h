#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/config/run.h"

namespace lckv::config {

/// Reads a run file and applies overrides such as "train.steps=100" (values are YAML).
///
/// Throws ConfigError listing *every* mistake, one per line, as "file:line:column: message":
/// syntax, unknown key (with the nearest valid one), duplicate key, wrong type, value out of range,
/// and the cross-field rules of validate(). For an override the place is "--set train.steps=x".
/// Relative paths stay relative to the working directory. model.from is read and then emptied: the
/// result holds the model's fields themselves. Throws IoError if the run file cannot be read.
///
/// A run file may name another one, `base: file.yaml`, relative to its own folder: that file's keys
/// count as if they stood here, but for `output` and for those that are given here. One level: a
/// base cannot have a base. What is wrong in the base is said with the base's name and line.
RunConfig load_run(const std::string& path, const std::vector<std::string>& overrides = {});
/// The same from text; `place` is the name used in messages, and a base is looked for beside it.
RunConfig parse_run(const std::string& yaml, const std::string& place,
                    const std::vector<std::string>& overrides = {});

/// Reads a Hugging Face config.json (plain Llama or lckv-llama). Fields that do not matter here are
/// ignored (torch_dtype, architectures, transformers_version, ...); those that would change the
/// model are refused: attention_bias or mlp_bias true, attention_dropout not 0, rope_scaling not
/// null, hidden_act other than silu, model_type other than llama / lckv-llama.
ModelConfig load_hf_config(const std::string& path);
/// The same from text; `place` is the name used in messages.
ModelConfig parse_hf_config(const std::string& json, const std::string& place);

/// Every broken rule of spec/lckv.md 1.3 and of the cross-field checks, one message each, empty
/// when valid: "model.num_attention_heads: 12 does not divide hidden_size 512", ... Pure.
std::vector<std::string> validate(const ModelConfig& model);
std::vector<std::string> validate(const RunConfig& run);

/// The rules of section `parallel` for a grid of `data` copies (ranks / parallel.tensor), whatever
/// parallel.data says: "parallel.data: 3 does not divide train.sequences_per_step 8; 2 or 4 would
/// fit", ... Empty when the run fits. What validate() finds in fields by themselves is not
/// repeated. Pure; data >= 1.
std::vector<std::string> validate_grid(const RunConfig& run, int64_t data);

/// The resolved configuration as a run file: every key with its value. load_run of it gives an
/// equal config.
std::string to_yaml(const RunConfig& run);

/// config.json of a Hugging Face folder: model_type "llama" for the identity layer_types without s
/// and force_nodiag, else "lckv-llama" (spec 9.2). `torch_dtype` is "float32" or "bfloat16".
std::string to_hf_json(const ModelConfig& model, const std::string& torch_dtype);

}  // namespace lckv::config
