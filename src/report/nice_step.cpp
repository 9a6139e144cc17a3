#include "lckv/report/nice_step.h"

#include <cmath>
#include <initializer_list>

namespace lckv::report {

double nice_step(double rough) {
  const double unit = std::pow(10, std::floor(std::log10(rough)));
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * unit >= rough * (1 - 1e-9)) return digit * unit;
  }
  return 10 * unit;
}

}  // namespace lckv::report
