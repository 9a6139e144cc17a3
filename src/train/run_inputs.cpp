#include "lckv/train/run_inputs.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::train {

namespace {

data::SequenceShare share_of(const config::TrainConfig& train, const comm::Grid& grid) {
  const int64_t count = train.sequences_per_step / grid.dp;
  return {train.sequences_per_step, grid.dp_rank() * count, (grid.dp_rank() + 1) * count};
}

void require_vocabulary(const config::RunConfig& config, const data::TokenStoreInfo& info,
                        const std::string& path) {
  if (info.vocab_size <= config.model.vocab_size) return;
  throw DataError(format("{}: made with a tokenizer of {} tokens, but model.vocab_size is {}", path,
                         info.vocab_size, config.model.vocab_size));
}

/// Found now, not after the run when it is exported.
void require_special_tokens(const config::RunConfig& config, const data::TokenStoreInfo& info) {
  const auto require = [&](const char* key, const std::optional<int64_t>& id, int64_t stored) {
    if (!id || *id == stored) return;
    throw ConfigError(format("model.{} is {}, but the tokenizer of {} has {}", key, *id,
                             config.data.train.front(), stored));
  };
  require("bos_token_id", config.model.bos_token_id, info.bos_id);
  require("eos_token_id", config.model.eos_token_id, info.eos_id);
}

}  // namespace

MicroBatches micro_batches(const config::TrainConfig& train, int64_t copies) {
  const int64_t own = train.sequences_per_step / copies;
  const int64_t B = train.micro_batch_sequences > 0 ? train.micro_batch_sequences : own;
  return {B, own / B};
}

int64_t validation_tokens(const config::RunConfig& config) {
  const int64_t tokens = config.validation.tokens;
  return tokens > 0 ? std::max(tokens, config.data.sequence_tokens) : 0;
}

RunInputs::RunInputs(const config::RunConfig& config, const comm::Grid& grid)
    : micro(micro_batches(config.train, grid.dp)),
      train(config.data, micro.B, share_of(config.train, grid)) {
  const data::TokenStoreInfo& info = train.tokenizer_info();
  require_vocabulary(config, info, config.data.train.front());
  if (!config.data.validation.empty()) {
    validation.emplace(config.data, micro.B, validation_tokens(config));
    require_vocabulary(config, validation->tokenizer_info(), config.data.validation.front());
    data::TokenStore(config.data.validation.front())
        .require_tokenizer(info.tokenizer_sha256, config.data.train.front());
  }
  require_special_tokens(config, info);
}

}  // namespace lckv::train
