#include "lckv/test_support/central_difference.h"

namespace lckv::test {
namespace {
constexpr double kStep = 6e-6;  // the cube root of epsilon balances the two errors
}

std::vector<double> central_difference(View x, const std::function<double()>& loss) {
  std::vector<double> slopes;
  for (int64_t i = 0; i < x.numel(); ++i) {
    double& element = x.data<double>()[i];
    const double before = element;
    element = before + kStep;
    const double above = loss();
    element = before - kStep;
    const double below = loss();
    element = before;
    slopes.push_back((above - below) / (2 * kStep));
  }
  return slopes;
}

double central_difference_error(double loss_magnitude, double third_derivative) {
  return kStep * kStep * third_derivative / 6 + loss_magnitude * 0x1p-52 / kStep;
}

}  // namespace lckv::test
