#include "lckv/eval/task_result.h"

#include <algorithm>

namespace lckv::eval {

std::string Sample::error() const {
  const auto found = std::find_if(scores.begin(), scores.end(),
                                  [](const RequestScore& score) { return !score.error.empty(); });
  return found == scores.end() ? "" : found->error;
}

}  // namespace lckv::eval
