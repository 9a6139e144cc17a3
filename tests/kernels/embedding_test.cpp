#include "lckv/kernels/ops/embedding.h"

#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using ops::GradMode;
using test::random_tensor;
using test::values_of;
using Values = std::vector<double>;

class Embedding : public test::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, Embedding, test::every_dtype_and_table(), test::kernel_case_name);

TEST_P(Embedding, ForwardCopiesTheRowsOfTheTokens) {
  const int64_t V = 11, N = 40, C = 19;
  const Buffer w = random_tensor(dtype(), {V, C}, 1), tokens = test::random_tokens({N}, V, 2);
  const Buffer y(dtype(), {N, C});
  kernels().embedding_forward(stream_, y.view(), w.view(), tokens.view(), 0);
  for (int64_t n = 0; n < N; ++n) {
    const int64_t token = tokens.view().data<int32_t>()[n];
    EXPECT_TRUE(test::bit_equal(y.view().slice(0, n, n + 1), w.view().slice(0, token, token + 1)));
  }
}

// Sums token by token in the order of n, rounding as the op must: the order decides the bits.
template <class A>
void add_in_order(View dw, const ConstView& dy, const ConstView& tokens) {
  const int64_t C = dw.dim(1);
  for (int64_t n = 0; n < dy.dim(0); ++n) {
    for (int64_t c = 0; c < C; ++c) {
      dw.data<A>()[tokens.data<int32_t>()[n] * C + c] += dy.data<A>()[n * C + c];
    }
  }
}

TEST_P(Embedding, BackwardAddsRepeatedTokensInOrder) {
  // Few tokens: each occurs many times, some never.
  for (const auto& [V, N, C] :
       {std::tuple<int64_t, int64_t, int64_t>{7, 300, 70}, {1000, 50, 33}}) {
    const Buffer dy = random_tensor(sum_dtype(), {N, C}, 1);
    const Buffer tokens = test::random_tokens({N}, V - 1, 2);
    for (const GradMode mode : {GradMode::kOverwrite, GradMode::kAccumulate}) {
      const Buffer dw = random_tensor(sum_dtype(), {V, C}, 3);
      const bool adds = mode == GradMode::kAccumulate;
      const Buffer expected =
          adds ? random_tensor(sum_dtype(), {V, C}, 3) : Buffer(sum_dtype(), {V, C});
      if (sum_dtype() == DType::kF64) {
        add_in_order<double>(expected.view(), dy.view(), tokens.view());
      } else {
        add_in_order<float>(expected.view(), dy.view(), tokens.view());
      }
      kernels().embedding_backward(stream_, dw.view(), dy.view(), tokens.view(), mode, 0);
      EXPECT_TRUE(test::bit_equal(dw.view(), expected.view()))
          << (adds ? "accumulate" : "overwrite");
    }
  }
}

TEST_P(Embedding, NoTokensOverwriteWithZeros) {
  const Buffer dw = random_tensor(sum_dtype(), {5, 3}, 1), dy(sum_dtype(), {0, 3});
  const Buffer tokens(DType::kI32, {0});
  kernels().embedding_backward(stream_, dw.view(), dy.view(), tokens.view(), GradMode::kOverwrite,
                               0);
  EXPECT_EQ(values_of(dw.view()), Values(15, 0.0));
}

// A vocabulary of 11 dealt to R ranks. 8 of them leave one with a padding row and two with nothing
// else; the tokens 3 .. 5 do not occur, so that with 4 and with 8 there is a part that none hits.
constexpr int64_t kVocabulary = 11, kTokens = 300, kWidth = 70;
constexpr int64_t kRanks[] = {1, 2, 4, 8};

int64_t rows_per_rank(int64_t R) { return (kVocabulary + R - 1) / R; }

Buffer tokens_with_a_gap() {
  Buffer tokens = test::random_tokens({kTokens}, kVocabulary, 2);
  for (int64_t n = 0; n < kTokens; ++n) {
    int32_t& token = tokens.view().data<int32_t>()[n];
    if (token >= 3 && token <= 5) token = 9 + token % 2;
  }
  return tokens;
}

TEST_P(Embedding, RowsOfThePartsAddUpToThoseOfTheWholeTable) {
  const Buffer tokens = tokens_with_a_gap();
  for (const int64_t R : kRanks) {
    const int64_t V_tp = rows_per_rank(R);
    const Buffer w = random_tensor(dtype(), {R * V_tp, kWidth}, 1);
    const Buffer y = random_tensor(dtype(), {kTokens, kWidth}, 3);
    const Buffer whole(dtype(), {kTokens, kWidth}), sum(dtype(), {kTokens, kWidth});
    kernels().embedding_forward(stream_, whole.view(), w.view().slice(0, 0, kVocabulary),
                                tokens.view(), 0);
    for (int64_t first = 0; first < R * V_tp; first += V_tp) {
      kernels().embedding_forward(stream_, y.view(), w.view().slice(0, first, first + V_tp),
                                  tokens.view(), first);
      kernels().add(stream_, sum.view(), y.view());
    }
    EXPECT_TRUE(test::bit_equal(sum.view(), whole.view())) << R << " ranks";
  }
}

TEST_P(Embedding, GradientsOfThePartsAreThoseOfTheWholeTable) {
  const Buffer tokens = tokens_with_a_gap();
  const Buffer dy = random_tensor(sum_dtype(), {kTokens, kWidth}, 1);
  for (const int64_t R : kRanks) {
    for (const GradMode mode : {GradMode::kOverwrite, GradMode::kAccumulate}) {
      const int64_t V_tp = rows_per_rank(R);
      const Buffer dw = random_tensor(sum_dtype(), {R * V_tp, kWidth}, 3);
      const Buffer whole = random_tensor(sum_dtype(), {R * V_tp, kWidth}, 3);
      kernels().embedding_backward(stream_, whole.view().slice(0, 0, kVocabulary), dy.view(),
                                   tokens.view(), mode, 0);
      if (mode == GradMode::kOverwrite) {
        kernels().fill_zero(stream_, whole.view().slice(0, kVocabulary, R * V_tp));
      }
      for (int64_t first = 0; first < R * V_tp; first += V_tp) {
        kernels().embedding_backward(stream_, dw.view().slice(0, first, first + V_tp), dy.view(),
                                     tokens.view(), mode, first);
      }
      EXPECT_TRUE(test::bit_equal(dw.view(), whole.view()))
          << R << " ranks, " << (mode == GradMode::kAccumulate ? "accumulate" : "overwrite");
    }
  }
}

TEST(EmbeddingChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer w = random_tensor(DType::kF32, {9, 4}, 1), y(DType::kF32, {3, 4});
  const Buffer tokens(DType::kI32, {3}), long_tokens(DType::kI64, {3}), half(DType::kBF16, {3, 4});
  const Buffer wide(DType::kF32, {3, 5});
  Stream stream;
  const auto forward = [&](View to, ConstView at) {
    return [=, &stream, &w] { ops::embedding_forward(stream, to, w.view(), at); };
  };
  test::expect_refusal<DTypeError>(forward(y.view(), long_tokens.view()),
                                   "embedding_forward: tokens must be i32, got i64[3]");
  test::expect_refusal<ShapeError>(forward(wide.view(), tokens.view()),
                                   "embedding_forward: y must have shape [3, 4], got f32[3, 5]");
  test::expect_refusal<DTypeError>(forward(half.view(), tokens.view()),
                                   "embedding_forward: w must be bf16, got f32[9, 4]");
  test::expect_refusal<ShapeError>(forward(w.view().slice(0, 2, 5), tokens.view()), "overlap");
  test::expect_refusal<ShapeError>(
      [&] { ops::embedding_forward(stream, y.view(), w.view(), tokens.view(), -4); },
      "embedding_forward: first_token must be >= 0, got -4");
  EXPECT_EQ(values_of(y.view()), Values(12, 0.0));

  const Values before = values_of(w.view());
  const auto backward = [&](ConstView dy, ConstView at) {
    return [=, &stream, &w] {
      ops::embedding_backward(stream, w.view(), dy, at, GradMode::kOverwrite);
    };
  };
  test::expect_refusal<DTypeError>(backward(half.view(), tokens.view()),
                                   "embedding_backward: dy must be f32 or f64, got bf16[3, 4]");
  test::expect_refusal<ShapeError>(backward(wide.view(), tokens.view()),
                                   "embedding_backward: dy must have shape [3, 4]");
  test::expect_refusal<ShapeError>(
      [&] {
        ops::embedding_backward(stream, w.view(), y.view(), tokens.view(), GradMode::kOverwrite,
                                -1);
      },
      "embedding_backward: first_token must be >= 0, got -1");
  EXPECT_EQ(values_of(w.view()), before);
}

}  // namespace
}  // namespace lckv
