#pragma once

#include <span>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lckv/comm/communicator.h"
#include "lckv/data/tokenizer.h"
#include "lckv/infer/generator.h"

// Included by .cpp files of this module alone.

namespace lckv::cli {

/// One continuation as its line of JSON.
nlohmann::ordered_json to_json(const infer::Completion& completion, const infer::Request& request,
                               const std::string& prompt, const data::Tokenizer& tokenizer);

/// Without line breaks; a piece of a token that is no UTF-8 by itself is shown as U+FFFD.
std::string to_line(const nlohmann::ordered_json& json);

/// What all copies of the model did together: tokens and bytes add up, they worked at the same
/// time. Collective.
infer::GenerationStats gather_stats(comm::Communicator& world, bool speaks_for_its_copy,
                                    const infer::GenerationStats& own);

/// Every rank's lines on rank 0, in the order of prompts and samples; on other ranks nothing of
/// meaning. Collective.
std::vector<nlohmann::ordered_json> gather_lines(comm::Communicator& world,
                                                 std::vector<nlohmann::ordered_json> own);

/// For people: prompt and text; with a heading where there are several.
std::string to_text(std::span<const nlohmann::ordered_json> lines);

/// "prefill 12 tokens, 340 tokens/s; ..."
std::string to_text(const infer::GenerationStats& stats);

}  // namespace lckv::cli
