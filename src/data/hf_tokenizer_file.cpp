#include "lckv/data/hf_tokenizer_file.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/hf_file_parts.h"

namespace lckv::data {

namespace {

void require_absent(const JsonPlace& root, const char* name) {
  if (const auto field = root.find(name)) field->refuse("null: nothing of the kind is implemented");
}

std::optional<int32_t> id_of_config_token(const JsonPlace& root, const char* name,
                                          const HfTokenizerFile& file) {
  const auto field = root.find(name);
  if (!field) return std::nullopt;
  const JsonPlace token = field->value().is_object() ? field->at("content") : *field;
  const auto id = file.id_of(token.text());
  if (!id) token.refuse(format("a token of {}", file.origin));
  return id;
}

}  // namespace

int32_t HfTokenizerFile::vocab_size() const { return static_cast<int32_t>(ids.size()); }

std::optional<int32_t> HfTokenizerFile::id_of(const std::string& token) const {
  const auto found = ids.find(token);
  return found == ids.end() ? std::nullopt : std::optional(found->second);
}

HfTokenizerFile read_hf_tokenizer_file(std::string json, const std::string& origin) {
  HfTokenizerFile file;
  const nlohmann::json content = parse_unambiguous_json(json, origin);
  const JsonPlace root(content, origin + ": $");
  root.require_known_fields({"version", "truncation", "padding", "added_tokens", "normalizer",
                             "pre_tokenizer", "post_processor", "decoder", "model"});
  const auto version = root.find("version");
  if (version && version->text() != "1.0") version->refuse("\"1.0\"");
  require_absent(root, "truncation");
  require_absent(root, "padding");
  file.origin = origin;
  read_hf_normalizer(root, file);
  read_hf_pre_tokenizer(root, file);
  read_hf_decoder(root, file);
  read_hf_model(root, file);
  read_hf_added_tokens(root, file);
  read_hf_post_processor(root, file);
  file.json = std::move(json);
  return file;
}

DocumentIds document_ids_of_config(const std::string& json, const std::string& origin,
                                   const HfTokenizerFile& file) {
  const nlohmann::json content = parse_unambiguous_json(json, origin);
  const JsonPlace root(content, origin + ": $");
  return {id_of_config_token(root, "bos_token", file), id_of_config_token(root, "eos_token", file)};
}

}  // namespace lckv::data
