#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"

namespace lckv::train {

/// Files of a Hugging Face folder: plain name -> content.
using HfFiles = std::map<std::string, std::string>;

/// The files by which other programs find a tokenizer in a Hugging Face folder.
/// SentencePiece: tokenizer.model and a tokenizer_config.json for LlamaTokenizer. Hugging Face:
/// tokenizer.json as it was read, and a tokenizer_config.json that names BOS and EOS. Bytes: a
/// tokenizer_config.json that names the kind.
HfFiles hf_tokenizer_files(const data::Tokenizer& tokenizer, const config::ModelConfig& config);

/// What travels with a model from one Hugging Face folder to another as it is: those there are of
/// tokenizer.model, tokenizer.json, tokenizer_config.json, special_tokens_map.json,
/// added_tokens.json, vocab.json, merges.txt, chat_template.jinja and generation_config.json.
/// Throws IoError, or DataError when one has more than 1 GiB.
HfFiles hf_carried_files(const std::filesystem::path& folder);

/// The config with the tokenizer's BOS and EOS ids where it leaves them open. Throws ConfigError
/// when the tokenizer has more tokens than the model, or other ids.
config::ModelConfig with_token_ids(config::ModelConfig config, const data::Tokenizer& tokenizer);

/// The tokenizer of a Hugging Face folder as load_tokenizer() takes it: the path of its
/// tokenizer.model, else of its tokenizer.json, or "bytes" where hf_tokenizer_files() said so; ""
/// when it has none of them.
std::string hf_tokenizer_spec(const std::filesystem::path& folder);

}  // namespace lckv::train
