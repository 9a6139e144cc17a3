#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/cli/commands.h"
#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"
#include "lckv/infer/request.h"
#include "lckv/infer/retention.h"

namespace lckv::cli {

/// Of --prompt, then of the lines of --prompts. Throws Error (kUsage) when there is none, DataError
/// naming file and line, or the option, for what is no UTF-8 text or has no field "prompt".
std::vector<std::string> read_prompts(const GenerateArgs& args);

/// Of --window and --sinks.
infer::SinkWindow sink_window(const GenerateArgs& args);

/// One per prompt, numbered. Throws ConfigError for an option out of range, or a prompt that the
/// model's context cannot hold with its new tokens; DataError for a tokenizer that is not the
/// model's, or a prompt without a token.
std::vector<infer::Request> make_requests(const GenerateArgs& args,
                                          const std::vector<std::string>& prompts,
                                          const data::Tokenizer& tokenizer,
                                          const config::ModelConfig& config);

/// All of the requests in words, for comparing ranks.
std::string to_text(const std::vector<infer::Request>& requests);

}  // namespace lckv::cli
