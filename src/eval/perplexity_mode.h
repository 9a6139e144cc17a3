#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace lckv::eval {

/// How a text is cut for its perplexity (spec/evaluation.md 5.1).
struct PerplexityMode {
  enum class Kind {
    kNonoverlap,  // sequences of T inputs and T targets, all of them scored
    kBlocks,      // blocks of T tokens, of each all but the first scored
    kRolling,     // every token of every document, each after as many as fit or a prefix token
    kSliding,     // windows of T tokens that begin `stride` apart
    kLlamacpp     // blocks of T tokens whose second half is scored
  };
  Kind kind = Kind::kNonoverlap;
  int64_t stride = 0;  // of kSliding

  /// "nonoverlap", "blocks", "rolling", "sliding:256", "llamacpp".
  std::string text() const;
  bool operator==(const PerplexityMode&) const = default;
};

/// Throws ConfigError for anything but those texts.
PerplexityMode parse_perplexity_mode(std::string_view text);

}  // namespace lckv::eval
