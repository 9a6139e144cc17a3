#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/tensor/arena.h"

namespace lckv {
namespace {

TEST(Buffer, IsZeroAndAligned) {
  for (const int64_t count : {1, 1000, 3000000}) {
    const Buffer buffer(DType::kF32, {count});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.raw()) % 64, 0u);
    const float* values = buffer.view().data<float>();
    EXPECT_TRUE(std::all_of(values, values + count, [](float v) { return v == 0; }));
  }
}

TEST(Buffer, NamesTheSizeThatCannotBeHad) {
  try {
    const Buffer buffer(int64_t{1} << 50);
    FAIL() << "allocated";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("1024.0 TiB"));
  }
}

TEST(Arena, GivesThePlannedPiecesOnceEachWithoutOverlap) {
  Arena plan = Arena::planning();
  plan.take("weights", "a", DType::kBF16, {3, 5});
  plan.take("weights", "b", DType::kF64, {7});
  EXPECT_EQ(plan.take("x", "null", DType::kF32, {2}).raw(), nullptr);
  Arena arena = Arena::allocate(plan);
  const View a = arena.take("weights", "a", DType::kBF16, {3, 5});
  const View b = arena.take("weights", "b", DType::kF64, {7});
  EXPECT_FALSE(overlap(a, b));
  EXPECT_EQ(arena.bytes(), 3 * 64);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.raw()) % 64, 0u);
}

TEST(Arena, RefusesAnythingThatWasNotPlanned) {
  Arena plan = Arena::planning();
  plan.take("weights", "a", DType::kF32, {4});
  Arena other_name = Arena::allocate(plan), other_size = Arena::allocate(plan),
        too_many = Arena::allocate(plan);
  EXPECT_THROW(other_name.take("weights", "b", DType::kF32, {4}), InternalError);
  EXPECT_THROW(other_size.take("weights", "a", DType::kF32, {40}), InternalError);
  too_many.take("weights", "a", DType::kF32, {4});
  EXPECT_THROW(too_many.take("weights", "a", DType::kF32, {4}), InternalError);
}

TEST(BFloat16, RoundsToNearestEvenAndKeepsSpecialValues) {
  const auto round_trip = [](float value) { return static_cast<float>(BFloat16(value)); };
  EXPECT_EQ(round_trip(1.0f), 1.0f);
  EXPECT_EQ(round_trip(1.0f + 0x1p-8f), 1.0f);            // half way: to even
  EXPECT_EQ(round_trip(1.0f + 0x3p-8f), 1.0f + 0x1p-6f);  // half way: to even
  EXPECT_EQ(round_trip(1.0f + 0x1.02p-8f), 1.0f + 0x1p-7f);
  EXPECT_EQ(round_trip(-0.0f), 0.0f);
  EXPECT_TRUE(std::signbit(round_trip(-0.0f)));
  EXPECT_EQ(round_trip(std::numeric_limits<float>::infinity()),
            std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(round_trip(std::bit_cast<float>(0x7F800001u))));  // not infinity
  EXPECT_TRUE(std::isinf(round_trip(std::numeric_limits<float>::max())));
}

}  // namespace
}  // namespace lckv
