#include "lckv/test_support/compare.h"

#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/test_support/random_tensor.h"

namespace lckv::test {

double unit_roundoff(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return 0x1p-8;
    case DType::kF32:
      return 0x1p-24;
    case DType::kF64:
      return 0x1p-53;
    default:
      throw DTypeError("unit roundoff of " + std::string(name(dtype)));
  }
}

void expect_close(const ConstView& actual, std::span<const double> expected,
                  std::span<const double> tolerance) {
  const std::vector<double> values = values_of(actual);
  ASSERT_EQ(values.size(), expected.size());
  ASSERT_EQ(values.size(), tolerance.size());
  size_t wrong = 0;
  size_t worst = 0;
  double worst_excess = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double excess = std::fabs(values[i] - expected[i]) / tolerance[i];
    if (values[i] == expected[i] || excess <= 1) continue;
    ++wrong;
    if (excess > worst_excess || std::isnan(excess)) {
      worst = i;
      worst_excess = excess;
    }
  }
  EXPECT_EQ(wrong, 0u) << format("of {} elements; worst: [{}] = {}, expected {} +- {}",
                                 values.size(), worst, values[worst], expected[worst],
                                 tolerance[worst]);
}

bool bit_equal(const ConstView& a, const ConstView& b) {
  LCKV_CHECK(a.is_contiguous() && b.is_contiguous(), a.describe() + " and " + b.describe());
  return a.dtype() == b.dtype() && a.shape() == b.shape() &&
         std::memcmp(a.raw(), b.raw(), static_cast<size_t>(a.bytes())) == 0;
}

}  // namespace lckv::test
