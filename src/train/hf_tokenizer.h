#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"

namespace lckv::train {

/// The files by which other programs find a tokenizer in a Hugging Face folder: name -> content.
/// SentencePiece: tokenizer.model and a tokenizer_config.json for LlamaTokenizer. Others: a
/// tokenizer_config.json that names the kind.
std::map<std::string, std::string> hf_tokenizer_files(const data::Tokenizer& tokenizer,
                                                      const config::ModelConfig& config);

/// The tokenizer of a Hugging Face folder as load_tokenizer() takes it: the path of its
/// tokenizer.model, or "bytes" where export_hf() wrote so; "" when it has neither.
std::string hf_tokenizer_spec(const std::filesystem::path& folder);

}  // namespace lckv::train
