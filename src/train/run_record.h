#pragma once

#include <string>

#include "lckv/train/config_difference.h"
#include "lckv/train/run_position.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// What a saved state tells beside its tensors (checkpoint/FORMAT.md 1.4).
struct RunRecord {
  RunPosition position;
  ConfigTexts config;
  std::string data;       // data_fingerprint() of the training stores as they were opened
  std::string tokenizer;  // SHA-256 of the training stores' tokenizer
  std::string precision;  // dtype of the weights
  // how the sums were carried out: another grid, thread count or instruction set orders them anew
  std::string grid;
  int threads = 1;
  std::string backend;
};

/// The record of this run as it stands.
RunRecord make_record(const Trainer& trainer, const RunPosition& position,
                      const config::RunConfig& config, const std::string& data,
                      const std::string& tokenizer);

/// A JSON object, with the program's version and the time.
std::string to_json(const RunRecord& record, const config::RunConfig& config);
/// Throws DataError starting with `place` when it is not what to_json() writes.
RunRecord parse_record(const std::string& json, const std::string& place);

/// Throws ConfigError naming each key in which the saved run differs and that would change its
/// numbers, its precision, tokens and tokenizer included.
void require_same_run(const RunRecord& now, const RunRecord& saved, const std::string& place);
/// "" when going on repeats the sums bit for bit; else what differs, for a warning.
std::string another_order_of_sums(const RunRecord& now, const RunRecord& saved);

}  // namespace lckv::train
