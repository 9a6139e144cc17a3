#include "lckv/infer/passes.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lckv::infer {

double SquaredChange::relative() const {
  // What is not a number has not converged.
  if (!std::isfinite(change) || !std::isfinite(size))
    return std::numeric_limits<double>::infinity();
  return change == 0 ? 0 : std::sqrt(change / size);
}

std::vector<double> PassReport::changes() const {
  std::vector<double> largest;
  for (const LayerChanges& layer : layers) {
    largest.resize(std::max(largest.size(), layer.passes.size()), 0);
    for (size_t i = 0; i < layer.passes.size(); ++i) {
      largest[i] = std::max(largest[i], layer.passes[i].relative());
    }
  }
  return largest;
}

}  // namespace lckv::infer
