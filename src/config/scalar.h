#pragma once

#include <cstdint>
#include <optional>

#include "lckv/config/document.h"

namespace lckv::config {

// Strict readings of a plain scalar; nothing if the node is anything else. Text in quotes is never
// a number.

/// Decimal digits with an optional minus: no 3e-4, 1.0, 0x10, 1_000, 007, nor what does not fit.
std::optional<int64_t> parse_integer(const Node& node);
std::optional<uint64_t> parse_unsigned(const Node& node);

/// A finite decimal number, integers included: 1, 0.5, 3e-4.
std::optional<double> parse_number(const Node& node);

/// true or false; not yes, on, True.
std::optional<bool> parse_flag(const Node& node);

}  // namespace lckv::config
