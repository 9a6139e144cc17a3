#include "lckv/eval/accuracy.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/eval/code_points.h"

namespace lckv::eval {

namespace {

size_t first_largest(const std::vector<double>& values) {
  return static_cast<size_t>(std::max_element(values.begin(), values.end()) - values.begin());
}

}  // namespace

Answer make_answer(std::vector<double> scores, const std::vector<std::string>& choices) {
  LCKV_CHECK(scores.size() == choices.size() && !scores.empty(), "one score per choice");
  std::vector<double> per_character;
  for (size_t i = 0; i < scores.size(); ++i) {
    per_character.push_back(scores[i] / static_cast<double>(count_code_points(choices[i])));
  }
  Answer answer;
  answer.pick = first_largest(scores);
  answer.pick_norm = first_largest(per_character);
  answer.scores = std::move(scores);
  return answer;
}

}  // namespace lckv::eval
