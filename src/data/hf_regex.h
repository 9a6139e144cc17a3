#pragma once

#include <string>

#include "lckv/data/json_place.h"

namespace lckv::data {

/// The pattern at `place`, written for Oniguruma as the tokenizers library uses it, for PCRE2: it
/// matches the same text.
///
/// Taken are literals, the escapes \r \n \t \f \v \x \u \s \S \d \D \p{..} \P{..} with general
/// categories, classes without classes inside, groups, look-around, (?i:..) of ASCII that no single
/// character folds to, and quantifiers. Throws DataError for anything else: the two may disagree
/// about it.
std::string pcre2_of_hf_regex(const JsonPlace& place);

/// The pattern by which GPT-2 splits, for PCRE2.
std::string gpt2_pattern();

/// One character that is_numeric() in Rust: category N of Unicode 17.
std::string number_pattern();

}  // namespace lckv::data
