#include "lckv/eval/perplexity_mode.h"

#include <charconv>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

using Kind = PerplexityMode::Kind;

constexpr std::string_view kSliding = "sliding:";

}  // namespace

std::string PerplexityMode::text() const {
  switch (kind) {
    case Kind::kNonoverlap:
      return "nonoverlap";
    case Kind::kBlocks:
      return "blocks";
    case Kind::kRolling:
      return "rolling";
    case Kind::kSliding:
      return format("{}{}", kSliding, stride);
    case Kind::kLlamacpp:
      return "llamacpp";
  }
  return "";
}

PerplexityMode parse_perplexity_mode(std::string_view text) {
  for (const Kind kind : {Kind::kNonoverlap, Kind::kBlocks, Kind::kRolling, Kind::kLlamacpp}) {
    if (text == PerplexityMode{kind}.text()) return {kind};
  }
  if (text.starts_with(kSliding)) {
    const std::string_view digits = text.substr(kSliding.size());
    int64_t stride = 0;
    const auto [stop, error] = std::from_chars(digits.begin(), digits.end(), stride);
    if (error == std::errc{} && stop == digits.end() && stride >= 1) {
      return {Kind::kSliding, stride};
    }
  }
  throw ConfigError(
      format("perplexity mode '{}': expected nonoverlap, blocks, rolling, sliding:STRIDE with a "
             "stride of at least one token, or llamacpp",
             text));
}

}  // namespace lckv::eval
