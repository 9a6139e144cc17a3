#include <string>

#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

// What the ops on parts of a vocabulary refuse.
namespace lckv {
namespace {

using ops::VocabularyPart;
using test::random_tensor;
using test::values_of;
using Values = std::vector<double>;

class CrossEntropyPartChecks : public testing::Test {
 protected:
  const VocabularyPart vocabulary_{.first_token = 10, .columns = 4};
  const Buffer logits_ = random_tensor(DType::kF32, {3, 5}, 1), half_{DType::kBF16, {3, 5}};
  const Buffer targets_{DType::kI32, {3}}, few_{DType::kI32, {2}};
  const Buffer part_{DType::kF64, {3, 3}}, parts_{DType::kF64, {2, 3, 3}};
  const Buffer total_{DType::kF64, {2, 3}}, nll_{DType::kF32, {3}}, floats_{DType::kF32, {3, 3}};
  const Buffer scale_ = test::scalar_of(1.0), pair_{DType::kF64, {2}}, narrow_{DType::kF32, {1}};
  Stream stream_;
};

TEST_F(CrossEntropyPartChecks, PartRefusesWrongArgumentsAndTouchesNothing) {
  const auto part = [&](View to, ConstView x, ConstView at, const VocabularyPart& vocabulary) {
    return [=, this] { ops::cross_entropy_part(stream_, to, x, at, vocabulary); };
  };
  const ConstView x = logits_.view(), at = targets_.view();
  const View to = part_.view();
  test::expect_refusal<ShapeError>(
      part(total_.view(), x, at, vocabulary_),
      "cross_entropy_part: part must have shape [3, 3], got f64[2, 3]");
  test::expect_refusal<DTypeError>(part(floats_.view(), x, at, vocabulary_),
                                   "cross_entropy_part: part must be f64, got f32[3, 3]");
  test::expect_refusal<DTypeError>(part(to, half_.view(), at, vocabulary_),
                                   "logits must be f32 or f64, got bf16[3, 5]");
  test::expect_refusal<ShapeError>(part(to, x, few_.view(), vocabulary_),
                                   "targets must have shape [3], got i32[2]");
  test::expect_refusal<ShapeError>(part(to, x, at, {.first_token = -1, .columns = 4}),
                                   "vocabulary.first_token must be >= 0, got -1");
  for (const int64_t columns : {-1, 6}) {
    test::expect_refusal<ShapeError>(
        part(to, x, at, {.first_token = 0, .columns = columns}),
        "vocabulary.columns must lie in 0 .. columns of the logits, got " +
            std::to_string(columns));
  }
  EXPECT_EQ(values_of(to), Values(9, 0.0));
}

TEST_F(CrossEntropyPartChecks, JoinRefusesWrongArgumentsAndTouchesNothing) {
  const auto join = [&](View nll, View total, ConstView parts, ConstView at) {
    return [=, this] { ops::cross_entropy_join(stream_, nll, total, parts, at); };
  };
  const View nll = nll_.view(), total = total_.view();
  const ConstView parts = parts_.view(), at = targets_.view();
  test::expect_refusal<ShapeError>(join(nll, total, part_.view(), at),
                                   "cross_entropy_join: parts must have 3 axes, got f64[3, 3]");
  test::expect_refusal<ShapeError>(join(nll, total, parts.slice(0, 0, 0), at),
                                   "parts must be those of at least one rank, got 0");
  test::expect_refusal<ShapeError>(join(nll, total, parts.slice(1, 0, 2), at),
                                   "parts must have shape [2, 3, 3], got f64[2, 2, 3]");
  test::expect_refusal<ShapeError>(join(nll, part_.view(), parts, at),
                                   "total must have shape [2, 3], got f64[3, 3]");
  test::expect_refusal<ShapeError>(join(nll, total, parts, few_.view()),
                                   "targets must have shape [3], got i32[2]");
  test::expect_refusal<DTypeError>(
      join(half_.view().reshape({15}).slice(0, 0, 3), total, parts, at),
      "nll must be f32 or f64, got bf16[3]");
  test::expect_refusal<ShapeError>(
      join(nll, parts_.view().reshape({6, 3}).slice(0, 0, 2), parts, at),
      "cross_entropy_join: total = f64[2, 3] on cpu and parts");
  EXPECT_EQ(values_of(nll), Values(3, 0.0));
  EXPECT_EQ(values_of(total), Values(6, 0.0));
}

TEST_F(CrossEntropyPartChecks, BackwardRefusesWrongArgumentsAndTouchesNothing) {
  const auto backward = [&](View dlogits, ConstView total, ConstView at,
                            const VocabularyPart& vocabulary) {
    return [=, this] {
      ops::cross_entropy_part_backward(stream_, dlogits, logits_.view(), total, at, vocabulary,
                                       scale_.view());
    };
  };
  const auto scaled = [&](const Buffer& scale) {
    return [&] {
      ops::cross_entropy_part_backward(stream_, half_.view(), logits_.view(), total_.view(),
                                       targets_.view(), vocabulary_, scale.view());
    };
  };
  test::expect_refusal<ShapeError>(
      scaled(pair_), "cross_entropy_part_backward: scale must have shape [1], got f64[2]");
  test::expect_refusal<DTypeError>(scaled(narrow_), "scale must be f64, got f32[1]");
  const View half = half_.view();
  const ConstView total = total_.view(), at = targets_.view();
  test::expect_refusal<ShapeError>(
      backward(floats_.view(), total, at, vocabulary_),
      "cross_entropy_part_backward: dlogits must have shape [3, 5], got f32[3, 3]");
  test::expect_refusal<DTypeError>(
      backward(Buffer(DType::kF64, {3, 5}).view(), total, at, vocabulary_),
      "dlogits must be bf16 or f32, got f64[3, 5]");
  test::expect_refusal<ShapeError>(backward(half, part_.view(), at, vocabulary_),
                                   "total must have shape [2, 3], got f64[3, 3]");
  test::expect_refusal<ShapeError>(backward(half, total, few_.view(), vocabulary_),
                                   "targets must have shape [3], got i32[2]");
  test::expect_refusal<ShapeError>(backward(half, total, at, {.first_token = 0, .columns = 6}),
                                   "vocabulary.columns must lie in 0 .. columns of the logits");
  test::expect_refusal<ShapeError>(
      backward(logits_.view().reshape({15}).slice(0, 0, 10).reshape({2, 5}), total, at,
               vocabulary_),
      "dlogits must have shape [3, 5], got f32[2, 5]");
  EXPECT_EQ(values_of(half), Values(15, 0.0));
}

}  // namespace
}  // namespace lckv
