#include "lckv/train/hf_tokenizer.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/input_file.h"

namespace lckv::train {

namespace {

using nlohmann::json;

constexpr const char* kModelFile = "tokenizer.model";
constexpr const char* kJsonFile = "tokenizer.json";
constexpr const char* kConfigFile = "tokenizer_config.json";
constexpr const char* kKindField = "lckv_tokenizer_kind";
constexpr const char* kUnknownPiece = "<unk>";

constexpr int64_t kCarriedLimitBytes = int64_t{1} << 30;
constexpr const char* kCarriedFiles[] = {kModelFile,
                                         kJsonFile,
                                         kConfigFile,
                                         "special_tokens_map.json",
                                         "added_tokens.json",
                                         "vocab.json",
                                         "merges.txt",
                                         "chat_template.jinja",
                                         "generation_config.json"};

bool has_piece(const data::Tokenizer& tokenizer, const char* piece) {
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.piece(id) == piece) return true;
  }
  return false;
}

/// What LlamaTokenizer reads. "legacy": false is the handling of blanks after special tokens that
/// SentencePiece itself has.
json sentencepiece_config(const data::Tokenizer& tokenizer, const config::ModelConfig& model) {
  json config = {{"tokenizer_class", "LlamaTokenizer"},
                 {"add_bos_token", tokenizer.bos_id().has_value()},
                 {"add_eos_token", false},
                 {"clean_up_tokenization_spaces", false},
                 {"legacy", false},
                 {"model_max_length", model.max_position_embeddings}};
  if (tokenizer.bos_id()) config["bos_token"] = tokenizer.piece(*tokenizer.bos_id());
  if (tokenizer.eos_id()) config["eos_token"] = tokenizer.piece(*tokenizer.eos_id());
  if (has_piece(tokenizer, kUnknownPiece)) config["unk_token"] = kUnknownPiece;
  return config;
}

/// What PreTrainedTokenizerFast reads beside a tokenizer.json.
json huggingface_config(const data::Tokenizer& tokenizer, const config::ModelConfig& model) {
  json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"model_max_length", model.max_position_embeddings}};
  if (tokenizer.bos_id()) config["bos_token"] = tokenizer.piece(*tokenizer.bos_id());
  if (tokenizer.eos_id()) config["eos_token"] = tokenizer.piece(*tokenizer.eos_id());
  return config;
}

json bare_config(const data::Tokenizer& tokenizer) {
  json config = {{kKindField, tokenizer.kind()}, {"vocab_size", tokenizer.vocab_size()}};
  if (tokenizer.bos_id()) config["bos_token_id"] = *tokenizer.bos_id();
  if (tokenizer.eos_id()) config["eos_token_id"] = *tokenizer.eos_id();
  return config;
}

/// `id` is the config's; the tokenizer's where it has none.
void settle_id(std::optional<int64_t>& id, std::optional<int32_t> of_tokenizer, const char* name) {
  if (!of_tokenizer) return;
  if (id && *id != *of_tokenizer) {
    throw ConfigError(
        format("model.{} is {}, but the tokenizer's is {}", name, *id, *of_tokenizer));
  }
  id = *of_tokenizer;
}

}  // namespace

config::ModelConfig with_token_ids(config::ModelConfig config, const data::Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw ConfigError(format("model.vocab_size is {}, but the tokenizer has {} tokens",
                             config.vocab_size, tokenizer.vocab_size()));
  }
  settle_id(config.bos_token_id, tokenizer.bos_id(), "bos_token_id");
  settle_id(config.eos_token_id, tokenizer.eos_id(), "eos_token_id");
  return config;
}

HfFiles hf_carried_files(const std::filesystem::path& folder) {
  HfFiles files;
  for (const char* const name : kCarriedFiles) {
    if (!std::filesystem::exists(folder / name)) continue;
    files[name] = checkpoint::read_text_file(folder / name, kCarriedLimitBytes);
  }
  return files;
}

HfFiles hf_tokenizer_files(const data::Tokenizer& tokenizer, const config::ModelConfig& config) {
  if (tokenizer.model_bytes().empty()) {
    return {{kConfigFile, bare_config(tokenizer).dump(2) + "\n"}};
  }
  if (tokenizer.kind() == "huggingface") {
    return {{kConfigFile, huggingface_config(tokenizer, config).dump(2) + "\n"},
            {kJsonFile, std::string(tokenizer.model_bytes())}};
  }
  return {{kConfigFile, sentencepiece_config(tokenizer, config).dump(2) + "\n"},
          {kModelFile, std::string(tokenizer.model_bytes())}};
}

std::string hf_tokenizer_spec(const std::filesystem::path& folder) {
  for (const char* const name : {kModelFile, kJsonFile}) {
    if (std::filesystem::exists(folder / name)) return (folder / name).string();
  }
  std::ifstream file(folder / kConfigFile);
  const json config = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!config.is_object() || !config.contains(kKindField)) return "";
  const json& kind = config[kKindField];
  if (kind != data::bytes_tokenizer()->kind()) {
    throw DataError(format("{}: {}: expected \"{}\", got {}", (folder / kConfigFile).string(),
                           kKindField, data::bytes_tokenizer()->kind(), kind.dump()));
  }
  return kind.get<std::string>();
}

}  // namespace lckv::train
