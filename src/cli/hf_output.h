#pragma once

#include <string>

#include "lckv/cli/commands.h"
#include "lckv/train/exchange.h"

namespace lckv::cli {

/// The options of a command as what writes the folder takes them; `own` where --dtype is not given.
/// Stop signals interrupt the writing.
train::HfOptions hf_options(const HfOutputArgs& args, DType own);

/// "1 100 048 384 parameters as bf16 in 1 file"
std::string describe_written(const train::HfWritten& written, const train::HfOptions& options);
/// "as they were: tokenizer.model, tokenizer_config.json", or "no tokenizer files"
std::string describe_carried(const train::HfFiles& files);

}  // namespace lckv::cli
