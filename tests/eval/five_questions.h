#pragma once

#include <vector>

#include "lckv/eval/question.h"

namespace lckv::eval {

/// Eleven rows on both sides of a change of padded length (32), some with no scored token in common.
inline std::vector<Question> five_questions() {
  return {
      {"A cat sits on", {"the mat", "it", "a long wooden table by the door"}, 1, "where", "q:1"},
      {"Who?", {"Ida", "Größe"}, 0, "who", "q:2"},
      {"A much longer question, told in many words, about", {"x", "y"}, 1, "what", "q:3"},
      {"", {"no", "yes"}, std::nullopt, "what", "q:4"},
      {"Why ", {"because of it", "so"}, 0, "who", "q:5"},
  };
}

}  // namespace lckv::eval
