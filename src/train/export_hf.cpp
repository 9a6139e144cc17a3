#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/hf_folder.h"
#include "lckv/config/load.h"
#include "lckv/train/exchange.h"

namespace lckv::train {

namespace {

/// `id` is the config's; the tokenizer's where it has none.
void settle_id(std::optional<int64_t>& id, std::optional<int32_t> of_tokenizer, const char* name) {
  if (!of_tokenizer) return;
  if (id && *id != *of_tokenizer) {
    throw ConfigError(
        format("model.{} is {}, but the tokenizer's is {}", name, *id, *of_tokenizer));
  }
  id = *of_tokenizer;
}

config::ModelConfig with_tokenizer(config::ModelConfig config, const data::Tokenizer& tokenizer) {
  if (tokenizer.vocab_size() > config.vocab_size) {
    throw ConfigError(format("model.vocab_size is {}, but the tokenizer has {} tokens",
                             config.vocab_size, tokenizer.vocab_size()));
  }
  settle_id(config.bos_token_id, tokenizer.bos_id(), "bos_token_id");
  settle_id(config.eos_token_id, tokenizer.eos_id(), "eos_token_id");
  return config;
}

}  // namespace

void export_hf(const std::filesystem::path& folder, const config::ModelConfig& config,
               const model::ParameterSet& weights, DType stored, const data::Tokenizer& tokenizer,
               checkpoint::ExistingFolder existing) {
  LCKV_CHECK(stored == DType::kF32 || stored == DType::kBF16,
             format("weights stored as {}", name(stored)));
  const config::ModelConfig complete = with_tokenizer(config, tokenizer);
  std::map<std::string, std::string> files = hf_tokenizer_files(tokenizer, complete);
  files["config.json"] =
      config::to_hf_json(complete, stored == DType::kF32 ? "float32" : "bfloat16");
  std::vector<checkpoint::NamedTensor> tensors;
  for (const model::Parameter& parameter : weights.table().parameters) {
    tensors.push_back({parameter.name, weights.view(parameter), stored});
  }
  checkpoint::write_hf_folder(folder, tensors, files, existing);
}

}  // namespace lckv::train
