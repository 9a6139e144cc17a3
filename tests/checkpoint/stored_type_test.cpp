#include "lckv/checkpoint/stored_type.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace lckv::checkpoint {
namespace {

template <class To, class From>
To converted(From value, StoredType from, DType to) {
  To result;
  convert(reinterpret_cast<const std::byte*>(&value), from, reinterpret_cast<std::byte*>(&result),
          to, 1);
  return result;
}

/// From the definition: sign, 5 exponent bits with bias 15, 10 mantissa bits.
double half_value(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const double mantissa = (bits & 1023) / 1024.0;
  const double sign = bits >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa == 0 ? sign * INFINITY : NAN;
  return sign *
         (exponent == 0 ? mantissa * 0x1p-14 : (1 + mantissa) * std::pow(2.0, exponent - 15));
}

TEST(StoredType, WidensEveryHalfExactly) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const auto value = converted<float>(half, StoredType::kF16, DType::kF32);
    if (std::isnan(half_value(half))) {
      EXPECT_TRUE(std::isnan(value)) << bits;
    } else {
      EXPECT_EQ(value, half_value(half)) << bits;
      EXPECT_EQ(std::signbit(value), bits >= 0x8000) << bits;
    }
  }
}

TEST(StoredType, WideningAndNarrowingAgainKeepsEveryBFloat16) {
  for (uint32_t bits = 0; bits <= 0xFFFF; ++bits) {
    BFloat16 value;
    value.bits = static_cast<uint16_t>(bits);
    if (std::isnan(static_cast<float>(value))) continue;  // NaN becomes quiet
    const auto wide = converted<double>(value, StoredType::kBF16, DType::kF64);
    EXPECT_EQ(converted<BFloat16>(wide, StoredType::kF64, DType::kBF16).bits, bits);
  }
}

TEST(StoredType, NarrowsADoubleToBFloat16WithOneRounding) {
  // Just above the middle of two neighbours, by less than a float can tell: rounding to float first
  // would land on the middle, and ties go to even.
  for (uint32_t bits = 0x0080; bits < 0x7F7F; bits += 3) {
    BFloat16 below, above;
    below.bits = static_cast<uint16_t>(bits);
    above.bits = static_cast<uint16_t>(bits + 1);
    const double middle =
        (double{static_cast<float>(below)} + double{static_cast<float>(above)}) / 2;
    const BFloat16 even = bits % 2 == 0 ? below : above;
    const double up = std::nextafter(middle, INFINITY);
    const double down = std::nextafter(middle, 0);
    EXPECT_EQ(converted<BFloat16>(up, StoredType::kF64, DType::kBF16).bits, above.bits);
    EXPECT_EQ(converted<BFloat16>(down, StoredType::kF64, DType::kBF16).bits, below.bits);
    EXPECT_EQ(converted<BFloat16>(middle, StoredType::kF64, DType::kBF16).bits, even.bits);
    EXPECT_EQ(converted<BFloat16>(-up, StoredType::kF64, DType::kBF16).bits, above.bits | 0x8000);
  }
}

TEST(StoredType, ConvertsNoIntegers) {
  EXPECT_FALSE(convertible(StoredType::kI32, DType::kI64));
  EXPECT_FALSE(convertible(StoredType::kI64, DType::kF64));
  EXPECT_FALSE(convertible(StoredType::kF32, DType::kI32));
  EXPECT_TRUE(convertible(StoredType::kI64, DType::kI64));
  EXPECT_TRUE(convertible(StoredType::kF16, DType::kBF16));
}

}  // namespace
}  // namespace lckv::checkpoint
