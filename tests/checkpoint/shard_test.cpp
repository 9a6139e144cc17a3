#include "lckv/checkpoint/shard.h"

#include <algorithm>
#include <cstdio>

#include <gmock/gmock.h>

#include "lckv/base/error.h"

namespace lckv::checkpoint {
namespace {

/// Every shape of up to three axes with extents 0 .. 4.
std::vector<Shape> small_shapes() {
  std::vector<Shape> shapes;
  for (int64_t a = 0; a <= 4; ++a) {
    shapes.push_back({a});
    for (int64_t b = 0; b <= 4; ++b) {
      shapes.push_back({a, b});
      for (int64_t c = 0; c <= 4; ++c) shapes.push_back({a, b, c});
    }
  }
  return shapes;
}

/// The places in memory of a box's elements, in the box's order.
std::vector<int64_t> places_of(const Shape& shape, const Slice& box) {
  std::vector<int64_t> places;
  for (int64_t place = 0; place < shape.numel(); ++place) {
    int64_t rest = place;
    bool inside = true;
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const int64_t at = rest % shape[axis];
      rest /= shape[axis];
      inside = inside && box.begin[static_cast<size_t>(axis)] <= at &&
               at < box.end[static_cast<size_t>(axis)];
    }
    if (inside) places.push_back(place);
  }
  return places;
}

TEST(BoxesOfStretch, AreExactlyThatMemoryInOrderAndFew) {
  int64_t stretches = 0;
  size_t most = 0;
  for (const Shape& shape : small_shapes()) {
    for (int64_t first = 0; first <= shape.numel(); ++first) {
      for (int64_t last = first; last <= shape.numel(); ++last) {
        const std::vector<Slice> boxes = boxes_of_stretch(shape, first, last);
        ASSERT_LE(boxes.size(), static_cast<size_t>(2 * shape.rank() - 1));
        std::vector<int64_t> places, expected;
        for (const Slice& box : boxes) {
          ASSERT_TRUE(box.fits(shape));
          const auto more = places_of(shape, box);
          ASSERT_FALSE(more.empty()) << to_string(box);
          places.insert(places.end(), more.begin(), more.end());
        }
        for (int64_t place = first; place < last; ++place) expected.push_back(place);
        ASSERT_EQ(places, expected) << to_string(shape) << " " << first << " to " << last;
        most = std::max(most, boxes.size());
        ++stretches;
      }
    }
  }
  EXPECT_EQ(most, 5u);  // the bound is met
  std::printf("%ld stretches of %zu shapes\n", static_cast<long>(stretches), small_shapes().size());
}

TEST(BoxesOfStretch, RefusesWhatIsNoStretchOfTheTensor) {
  EXPECT_THROW(boxes_of_stretch({2, 3}, -1, 2), InternalError);
  EXPECT_THROW(boxes_of_stretch({2, 3}, 0, 7), InternalError);
  EXPECT_THROW(boxes_of_stretch({2, 3}, 4, 3), InternalError);
  EXPECT_THROW(boxes_of_stretch({}, 0, 1), InternalError);
}

TEST(Intersection, IsTheElementsThatBothBoxesHave) {
  const Shape shape{3, 2, 2};
  std::vector<Slice> boxes;
  for (int64_t code = 0; code < 4 * 4 * 3 * 3 * 3 * 3; ++code) {
    int64_t rest = code;
    Slice box;
    for (const int64_t extent : {3, 2, 2}) {
      box.begin.push_back(rest % (extent + 1));
      rest /= extent + 1;
      box.end.push_back(rest % (extent + 1));
      rest /= extent + 1;
    }
    if (box.fits(shape)) boxes.push_back(box);
  }
  ASSERT_EQ(boxes.size(), 10u * 6 * 6);
  std::vector<std::vector<int64_t>> places;
  for (const Slice& box : boxes) places.push_back(places_of(shape, box));
  for (size_t a = 0; a < boxes.size(); ++a) {
    for (size_t b = 0; b < boxes.size(); ++b) {
      std::vector<int64_t> expected;
      std::set_intersection(places[a].begin(), places[a].end(), places[b].begin(), places[b].end(),
                            std::back_inserter(expected));
      const auto both = intersection(boxes[a], boxes[b]);
      ASSERT_EQ(both.has_value(), !expected.empty());
      if (both) {
        ASSERT_EQ(places_of(shape, *both), expected);
      }
    }
  }
}

TEST(Intersection, OfAScalarWithItselfIsTheScalar) {
  EXPECT_EQ(intersection(Slice{}, Slice{}), Slice{});
}

TEST(Slice, FitsOnlyInsideAShapeOfItsRank) {
  const Shape shape{4, 3};
  EXPECT_TRUE((Slice{{0, 0}, {4, 3}}).fits(shape));
  EXPECT_TRUE((Slice{{4, 3}, {4, 3}}).fits(shape));
  EXPECT_FALSE((Slice{{0, 0}, {5, 3}}).fits(shape));
  EXPECT_FALSE((Slice{{0, -1}, {4, 3}}).fits(shape));
  EXPECT_FALSE((Slice{{0, 2}, {4, 1}}).fits(shape));
  EXPECT_FALSE((Slice{{0}, {4}}).fits(shape));
  EXPECT_FALSE((Slice{{0, 0}, {4}}).fits(shape));
}

}  // namespace
}  // namespace lckv::checkpoint
