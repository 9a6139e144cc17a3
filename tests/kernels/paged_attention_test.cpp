#include "lckv/kernels/ops/paged_attention.h"

#include <numeric>

#include <gtest/gtest.h>

#include "attention_problem.h"
#include "lckv/base/random.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using test::AttentionProblem;

constexpr DType kDTypes[] = {DType::kF64, DType::kF32, DType::kBF16};

/// Numbers that a kernel reads.
struct Numbers {
  Numbers() = default;
  explicit Numbers(const std::vector<int32_t>& values) : buffer(test::tokens_of(values)) {}
  Buffer buffer;
  ConstView view() const { return buffer.view(); }
};

/// The keys, values and queries of an attention problem as a cache has them: keys beside values in
/// pages that lie in random order, NaN where no token is. Idle sequences have room for as many
/// tokens, but neither pages nor queries.
class Paged {
 public:
  Paged(const AttentionProblem& problem, int64_t page_tokens, int64_t idle_sequences = 0)
      : problem_(problem),
        P_(page_tokens),
        pages_of_one_((problem.size.Tk + P_ - 1) / P_),
        sequences_(problem.size.B + idle_sequences) {
    const auto& s = problem.size;
    const int64_t pages = s.B * pages_of_one_ + 1;
    std::vector<int32_t> order(static_cast<size_t>(pages));
    std::iota(order.begin(), order.end(), 0);
    const CounterRng rng(7, hash_text("pages"));
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i, i)]);
    order.resize(static_cast<size_t>(s.B * pages_of_one_));
    table_ = order;
    order.resize(static_cast<size_t>(sequences_ * pages_of_one_), 1 << 30);
    table_numbers_ = Numbers(order);
    rows_ = test::nan_tensor(problem.dtype, {pages, P_, 2 * s.Hkv * s.D});
    place(problem.k.view(), 0);
    place(problem.v.view(), s.Hkv * s.D);
    add_queries();
  }

  std::vector<double> attend(const ops::KernelTable& kernels, ConstView q_sinks = {},
                             const Numbers& sink_end = {}) const {
    const auto& s = problem_.size;
    return attend_with(kernels, problem_.q.view().reshape({s.B * s.Tq, s.Hq, s.D}), q_sinks,
                       {{}, sequence_.view(), begin_.view(), end_.view(), sink_end.view()});
  }
  /// Queries first .. first+count-1 alone.
  std::vector<double> attend_some(const ops::KernelTable& kernels, int64_t first,
                                  int64_t count) const {
    const auto& s = problem_.size;
    const auto some = [&](const Numbers& all) { return all.view().slice(0, first, first + count); };
    return attend_with(
        kernels, problem_.q.view().reshape({s.B * s.Tq, s.Hq, s.D}).slice(0, first, first + count),
        {}, {{}, some(sequence_), some(begin_), some(end_), {}});
  }
  /// All queries, so many times.
  std::vector<double> attend_copies(const ops::KernelTable& kernels, int64_t copies) const {
    const auto& s = problem_.size;
    const int64_t N = s.B * s.Tq;
    Buffer q(problem_.dtype, {copies * N, s.Hq, s.D});
    std::vector<int32_t> sequence, begin, end;
    const auto append = [&](std::vector<int32_t>& to, const Numbers& from) {
      const auto* const data = from.view().data<int32_t>();
      to.insert(to.end(), data, data + N);
    };
    for (int64_t copy = 0; copy < copies; ++copy) {
      std::memcpy(static_cast<char*>(q.raw()) + copy * problem_.q.bytes(), problem_.q.raw(),
                  static_cast<size_t>(problem_.q.bytes()));
      append(sequence, sequence_);
      append(begin, begin_);
      append(end, end_);
    }
    const Numbers sequences(sequence), begins(begin), ends(end);
    return attend_with(kernels, q.view(), {},
                       {{}, sequences.view(), begins.view(), ends.view(), {}});
  }
  std::vector<double> attend_with(const ops::KernelTable& kernels, ConstView q, ConstView q_sinks,
                                  ops::PagedKeys keys) const {
    const auto& s = problem_.size;
    Stream stream;
    const Buffer out = test::nan_tensor(problem_.dtype, q.shape());
    keys.page_table = table_numbers_.view().reshape({sequences_, pages_of_one_});
    kernels.paged_attention_forward(stream, out.view(), q, q_sinks, half(0), half(s.Hkv * s.D),
                                    keys);
    return test::values_of(out.view());
  }

  Numbers sequence_, begin_, end_;

 private:
  ConstView half(int64_t begin) const {
    const auto& s = problem_.size;
    return static_cast<ConstView>(rows_.view())
        .slice(2, begin, begin + s.Hkv * s.D)
        .unflatten(2, s.Hkv, s.D);
  }

  void place(const ConstView& from, int64_t column) {
    const auto& s = problem_.size;
    const int64_t row = s.Hkv * s.D, bytes = size_bytes(problem_.dtype);
    for (int64_t b = 0; b < s.B; ++b) {
      for (int64_t j = 0; j < s.Tk; ++j) {
        const int64_t page = table_[static_cast<size_t>(b * pages_of_one_ + j / P_)];
        std::memcpy(
            static_cast<char*>(rows_.raw()) + ((page * P_ + j % P_) * 2 * row + column) * bytes,
            static_cast<const char*>(from.raw()) + (b * s.Tk + j) * row * bytes,
            static_cast<size_t>(row * bytes));
      }
    }
  }

  void add_queries() {
    std::vector<int32_t> sequence, begin, end;
    for (int64_t b = 0; b < problem_.size.B; ++b) {
      for (int64_t i = 0; i < problem_.size.Tq; ++i) {
        int32_t first = -1, last = -1;
        for (int64_t j = 0; j < problem_.size.Tk; ++j) {
          if (!problem_.sees(b, i, j)) continue;
          if (first < 0) first = static_cast<int32_t>(j);
          last = static_cast<int32_t>(j);
        }
        sequence.push_back(static_cast<int32_t>(b));
        begin.push_back(std::max(first, 0));
        end.push_back(last + 1);
      }
    }
    sequence_ = Numbers(sequence);
    begin_ = Numbers(begin);
    end_ = Numbers(end);
  }

  const AttentionProblem& problem_;
  int64_t P_, pages_of_one_, sequences_;
  std::vector<int32_t> table_;
  Numbers table_numbers_;
  Buffer rows_;
};

/// With queries that outnumber the sequences and with as many sequences as queries: kernels may
/// tell by that whether to look for neighbours.
void check(const AttentionProblem& problem, int64_t page_tokens) {
  const test::AttentionAnswer expected = test::answer(problem);
  for (const int64_t idle_sequences : {int64_t{0}, problem.size.B * (problem.size.Tq - 1)}) {
    const Paged paged(problem, page_tokens, idle_sequences);
    for (const ops::KernelTable* kernels : test::kernel_tables()) {
      SCOPED_TRACE(format("{} idle {}", kernels->name, idle_sequences));
      const std::vector<double> out = paged.attend(*kernels);
      ASSERT_EQ(out.size(), expected.out.size());
      for (size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], expected.out[i], expected.out_tolerance) << "element " << i;
      }
    }
  }
}

TEST(PagedAttention, IsAttentionOverTheSameKeys) {
  for (const DType dtype : kDTypes) {
    for (const int64_t width : {2, 8, 64, 80, 128}) {
      for (const int64_t page_tokens : {1, 16, 7}) {
        SCOPED_TRACE(format("{} D {} P {}", name(dtype), width, page_tokens));
        check({{.B = 2, .Tq = 33, .Tk = 33, .Hq = 4, .Hkv = 2, .D = width}, dtype}, page_tokens);
      }
    }
  }
}

TEST(PagedAttention, OfGroupsOfHeads) {
  for (const int64_t width : {64, 128}) {
    for (const int64_t group : {1, 3, 8, 16, 17}) {
      for (const int64_t page_tokens : {1, 16}) {
        SCOPED_TRACE(format("D {} group {} P {}", width, group, page_tokens));
        AttentionProblem problem(
            {.B = 3, .Tq = 13, .Tk = 45, .Hq = 2 * group, .Hkv = 2, .D = width}, DType::kBF16);
        problem.mask.strict = true;
        problem.set_key_lengths({45, 0, 7});
        check(problem, page_tokens);
      }
    }
  }
}

TEST(PagedAttention, OfOneQueryOnLongSequencesOfSeveralLengths) {
  for (const DType dtype : kDTypes) {
    for (const int64_t width : {64, 128}) {
      SCOPED_TRACE(format("{} D {}", name(dtype), width));
      AttentionProblem problem({.B = 4, .Tq = 1, .Tk = 1100, .Hq = 8, .Hkv = 1, .D = width}, dtype);
      problem.mask.query_offset = 1099;
      problem.set_key_lengths({1100, 513, 0, 512});
      check(problem, 16);
    }
  }
}

TEST(PagedAttention, OfSoManySequencesThatEachIsOneTask) {
  AttentionProblem problem({.B = 34, .Tq = 1, .Tk = 530, .Hq = 8, .Hkv = 8, .D = 64}, DType::kBF16);
  problem.mask.query_offset = 529;
  std::vector<int32_t> lengths;
  for (int32_t b = 0; b < 34; ++b) lengths.push_back(b * 530 / 33);
  problem.set_key_lengths(lengths);
  check(problem, 16);
}

TEST(PagedAttention, KeepsTheRulesOfMasks) {
  for (const DType dtype : kDTypes) {
    for (const bool strict : {false, true}) {
      for (const int64_t window : {0, 1, 5, 600}) {
        SCOPED_TRACE(format("{} strict {} window {}", name(dtype), strict, window));
        AttentionProblem problem({.B = 1, .Tq = 700, .Tk = 700, .Hq = 2, .Hkv = 2, .D = 16}, dtype);
        problem.mask.strict = strict;
        problem.mask.window_tokens = window;
        check(problem, 16);
      }
    }
  }
}

TEST(PagedAttention, KeepsTheRulesOfMasksOnLongSequences) {
  for (const int64_t width : {64, 128}) {
    for (const bool strict : {false, true}) {
      for (const int64_t window : {0, 1, 5, 600}) {
        SCOPED_TRACE(format("D {} strict {} window {}", width, strict, window));
        AttentionProblem problem({.B = 1, .Tq = 37, .Tk = 1040, .Hq = 4, .Hkv = 2, .D = width},
                                 DType::kBF16);
        problem.mask.query_offset = 1003;
        problem.mask.strict = strict;
        problem.mask.window_tokens = window;
        check(problem, 16);
      }
    }
  }
}

TEST(PagedAttention, SinksAndRecentKeysShareOneSoftmax) {
  for (const DType dtype : kDTypes) {
    SCOPED_TRACE(name(dtype));
    // Sinks that reach to where the recent keys begin: together they are all keys.
    AttentionProblem problem({.B = 1, .Tq = 40, .Tk = 600, .Hq = 4, .Hkv = 2, .D = 16}, dtype);
    problem.mask.query_offset = 560;
    const test::AttentionAnswer expected = test::answer(problem);
    Paged paged(problem, 16);
    const int64_t N = problem.size.Tq;
    paged.begin_ = Numbers(std::vector<int32_t>(static_cast<size_t>(N), 530));
    const Numbers sinks(std::vector<int32_t>(static_cast<size_t>(N), 530));
    for (const ops::KernelTable* kernels : test::kernel_tables()) {
      SCOPED_TRACE(kernels->name);
      const std::vector<double> out = paged.attend(*kernels, {}, sinks);
      for (size_t i = 0; i < out.size(); ++i) {
        ASSERT_NEAR(out[i], expected.out[i], expected.out_tolerance) << "element " << i;
      }
    }
  }
}

TEST(PagedAttention, SinksAreScoredWithQueriesOfTheirOwn) {
  // One head, keys 0, 1 are sinks, 4..5 recent: by hand.
  const AttentionProblem problem({.B = 1, .Tq = 1, .Tk = 6, .Hq = 1, .Hkv = 1, .D = 8},
                                 DType::kF64);
  Paged paged(problem, 2);
  paged.begin_ = Numbers({4});
  paged.end_ = Numbers({6});
  const Buffer other = test::random_tensor(DType::kF64, {1, 1, 8}, 77);
  const std::vector<double> q = test::values_of(problem.q.view()),
                            k = test::values_of(problem.k.view()),
                            v = test::values_of(problem.v.view()),
                            sinks = test::values_of(other.view());
  std::vector<double> expected(8, 0), weights;
  double total = 0;
  const std::vector<size_t> keys = {0, 1, 4, 5};
  for (const size_t j : keys) {
    double score = 0;
    for (size_t d = 0; d < 8; ++d) score += (j < 2 ? sinks : q)[d] * k[j * 8 + d];
    weights.push_back(std::exp(score / std::sqrt(8.0)));
    total += weights.back();
  }
  for (size_t n = 0; n < keys.size(); ++n) {
    for (size_t d = 0; d < 8; ++d) expected[d] += weights[n] / total * v[keys[n] * 8 + d];
  }
  for (const ops::KernelTable* kernels : test::kernel_tables()) {
    const std::vector<double> out = paged.attend(*kernels, other.view(), Numbers({2}));
    for (size_t d = 0; d < 8; ++d) EXPECT_NEAR(out[d], expected[d], 1e-14) << kernels->name;
    const std::vector<double> without = paged.attend(*kernels, {}, Numbers({2}));
    EXPECT_GT(std::fabs(without[0] - expected[0]), 1e-6) << "the queries of sinks were not used";
  }
}

/// Query n sees keys 0 .. n/2-1 with a query of its own and 600-n .. 1090-1: from the definition.
std::vector<double> with_sinks(const AttentionProblem& problem, const Buffer& other) {
  const auto& s = problem.size;
  const std::vector<double> q = test::values_of(problem.q.view()),
                            k = test::values_of(problem.k.view()),
                            v = test::values_of(problem.v.view()),
                            sinks = test::values_of(other.view());
  std::vector<double> out(q.size(), 0.0);
  const auto width = static_cast<size_t>(s.D);
  for (int64_t row = 0; row < s.Tq * s.Hq; ++row) {
    const int64_t n = row / s.Hq, kv_head = row % s.Hq / (s.Hq / s.Hkv);
    const size_t at = static_cast<size_t>(row) * width;
    double total = 0;
    for (int64_t j = 0; j < 1090; ++j) {
      if (j >= n / 2 && j < 600 - n) continue;
      const size_t key = static_cast<size_t>(j * s.Hkv + kv_head) * width;
      double score = 0;
      for (size_t d = 0; d < width; ++d) score += (j < n / 2 ? sinks : q)[at + d] * k[key + d];
      const double weight = std::exp(score / std::sqrt(static_cast<double>(s.D)));
      total += weight;
      for (size_t d = 0; d < width; ++d) out[at + d] += weight * v[key + d];
    }
    for (size_t d = 0; d < width; ++d) out[at + d] /= total;
  }
  return out;
}

/// The larger of both queries', and what rounds where fewer keys leave a larger output.
double tolerance_of(const AttentionProblem& problem, const Buffer& other,
                    const std::vector<double>& expected) {
  AttentionProblem sinks(problem.size, problem.dtype);
  std::memcpy(sinks.q.raw(), other.raw(), static_cast<size_t>(other.bytes()));
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::fabs(value));
  return std::max(test::answer(problem).out_tolerance, test::answer(sinks).out_tolerance) +
         test::unit_roundoff(problem.dtype) * largest;
}

TEST(PagedAttention, SinksOfManyQueriesAreScoredWithQueriesOfTheirOwn) {
  for (const int64_t width : {64, 128}) {
    AttentionProblem problem({.B = 1, .Tq = 21, .Tk = 1090, .Hq = 4, .Hkv = 2, .D = width},
                             DType::kBF16);
    problem.mask.query_offset = 1090 - 21;
    const Buffer other = test::random_tensor(DType::kBF16, {21, 4, width}, 77);
    const std::vector<double> expected = with_sinks(problem, other);
    const double tolerance = tolerance_of(problem, other, expected);
    std::vector<int32_t> sink_end, begin;
    for (int32_t n = 0; n < 21; ++n) {
      sink_end.push_back(n / 2);
      begin.push_back(600 - n);
    }
    for (const int64_t idle_sequences : {0, 21}) {
      Paged paged(problem, 16, idle_sequences);
      paged.begin_ = Numbers(begin);
      paged.end_ = Numbers(std::vector<int32_t>(21, 1090));
      for (const ops::KernelTable* kernels : test::kernel_tables()) {
        SCOPED_TRACE(format("{} D {} idle {}", kernels->name, width, idle_sequences));
        const std::vector<double> out = paged.attend(*kernels, other.view(), Numbers(sink_end));
        for (size_t i = 0; i < out.size(); ++i) {
          ASSERT_NEAR(out[i], expected[i], tolerance) << "element " << i;
        }
      }
    }
  }
}

// How many queries there are decides on a GPU how many of them share a block, and how many blocks
// share the keys of one: no bit may depend on either.
TEST(PagedAttention, AQueryIsTheSameAloneAmongNeighboursAndInACrowd) {
  if (!test::has_cuda()) GTEST_SKIP() << "no GPU";
  const ops::KernelTable& kernels = test::mirrored_cuda_table();
  constexpr int64_t kQueries = 40, kCopies = 30;
  for (const int64_t width : {64, 128}) {
    SCOPED_TRACE(format("D {}", width));
    AttentionProblem problem({.B = 1, .Tq = kQueries, .Tk = 1300, .Hq = 8, .Hkv = 2, .D = width},
                             DType::kBF16);
    problem.mask.query_offset = 1260;
    problem.mask.window_tokens = 1240;
    const Paged paged(problem, 16), sparse(problem, 16, kQueries * kCopies);
    const std::vector<double> among = paged.attend(kernels);
    std::vector<double> alone, many;
    for (int64_t n = 0; n < kQueries; ++n) {
      const std::vector<double> one = paged.attend_some(kernels, n, 1);
      alone.insert(alone.end(), one.begin(), one.end());
    }
    for (int64_t copy = 0; copy < kCopies; ++copy) {
      many.insert(many.end(), among.begin(), among.end());
    }
    EXPECT_EQ(paged.attend(kernels), among);
    EXPECT_EQ(sparse.attend(kernels), among);
    EXPECT_EQ(alone, among);
    EXPECT_EQ(paged.attend_copies(kernels, kCopies), many);
    EXPECT_EQ(sparse.attend_copies(kernels, kCopies), many);
  }
}

TEST(PagedAttention, AQueryDoesNotSeeItsNeighbours) {
  const AttentionProblem problem({.B = 1, .Tq = 40, .Tk = 40, .Hq = 4, .Hkv = 2, .D = 16},
                                 DType::kF32);
  for (const ops::KernelTable* kernels : test::kernel_tables()) {
    Paged paged(problem, 16);
    const std::vector<double> before = paged.attend(*kernels);
    // Every other query sees nothing now: the rest keeps its values, bit for bit.
    std::vector<int32_t> end;
    for (int32_t n = 0; n < 40; ++n) end.push_back(n % 2 == 0 ? n + 1 : 0);
    paged.end_ = Numbers(end);
    const std::vector<double> after = paged.attend(*kernels);
    for (size_t i = 0; i < after.size(); ++i) {
      ASSERT_EQ(after[i], i / 64 % 2 == 0 ? before[i] : 0.0) << kernels->name << " element " << i;
    }
  }
}

TEST(PagedAttention, RefusesWhatDoesNotFit) {
  Stream stream;
  const Buffer out(DType::kF32, {3, 4, 8}), q(DType::kF32, {3, 4, 8}),
      kv(DType::kF32, {2, 4, 2, 8});
  const Buffer odd(DType::kF32, {2, 4, 3, 8});
  const Numbers three({0, 0, 0}), two({0, 0});
  const ops::PagedKeys keys{
      two.view().reshape({1, 2}), three.view(), three.view(), three.view(), {}};
  const auto call = [&](ConstView k, ConstView v, ops::PagedKeys with) {
    return [=, &stream, &out, &q] {
      ops::paged_attention_forward(stream, out.view(), q.view(), {}, k, v, with);
    };
  };
  test::expect_refusal<ShapeError>(call(odd.view(), odd.view(), keys),
                                   "must be a multiple of those of k = f32[2, 4, 3, 8]");
  test::expect_refusal<ShapeError>(call(kv.view(), odd.view(), keys), "v must have shape");
  ops::PagedKeys wrong = keys;
  wrong.end = two.view();
  test::expect_refusal<ShapeError>(call(kv.view(), kv.view(), wrong),
                                   "keys.end must have shape [3], got i32[2]");
  wrong = keys;
  wrong.page_table = three.view();
  test::expect_refusal<ShapeError>(call(kv.view(), kv.view(), wrong), "keys.page_table");
}

}  // namespace
}  // namespace lckv
