#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <type_traits>
#include <vector>

#include "lckv/base/random.h"
#include "lckv/comm/communicator.h"
#include "lckv/tensor/buffer.h"

namespace lckv::test {

template <class F>
decltype(auto) with_any_type(DType dtype, F&& f) {
  if (dtype == DType::kI32) return f(TypeTag<int32_t>{});
  if (dtype == DType::kI64) return f(TypeTag<int64_t>{});
  return with_float_type(dtype, f);
}

/// Floating values between 2^-12 and 2^13 of both signs, so that the order of a sum shows in its
/// bits; any integers, so that sums wrap. A function of (rank, index).
inline Buffer rank_data(DType dtype, int64_t count, int rank) {
  const CounterRng rng(static_cast<uint64_t>(rank), hash_text("rank data"));
  Buffer buffer(dtype, {count});
  with_any_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = buffer.view().template data<T>();
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t bits = rng.bits(static_cast<uint64_t>(i));
      if constexpr (std::is_integral_v<T>) {
        to[i] = static_cast<T>(bits);
      } else {
        const double mantissa = 1 + static_cast<double>(bits >> 12) * 0x1p-52;
        const double value = std::ldexp(mantissa, static_cast<int>(bits % 25) - 12);
        to[i] = static_cast<T>(static_cast<AccumulatorOf<T>>((bits & 1024) != 0 ? -value : value));
      }
    }
  });
  return buffer;
}

inline std::vector<int> ranks_in_order(int size) {
  std::vector<int> ranks(static_cast<size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

/// One element of a reduction over these ranks' rank_data(), straight from the contract.
template <class T>
T reduce_one(comm::ReduceOp op, const std::vector<T>& x) {
  if constexpr (std::is_integral_v<T>) {
    using U = std::make_unsigned_t<T>;
    T result = x[0];
    for (size_t r = 1; r < x.size(); ++r) {
      if (op == comm::ReduceOp::kMax) {
        result = std::max(result, x[r]);
      } else {
        result = static_cast<T>(static_cast<U>(result) + static_cast<U>(x[r]));
      }
    }
    return result;
  } else {
    using S = AccumulatorOf<T>;
    S result = static_cast<S>(x[0]);
    for (size_t r = 1; r < x.size(); ++r) {
      const S next = static_cast<S>(x[r]);
      result = op == comm::ReduceOp::kMax ? std::max(result, next) : result + next;
    }
    return static_cast<T>(result);
  }
}

/// What all_reduce leaves when the ranks' data is combined in this order.
inline Buffer reduced(DType dtype, int64_t count, comm::ReduceOp op,
                      const std::vector<int>& order) {
  std::vector<Buffer> data;
  for (const int rank : order) data.push_back(rank_data(dtype, count, rank));
  Buffer result(dtype, {count});
  with_any_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (int64_t i = 0; i < count; ++i) {
      std::vector<T> x;
      for (const Buffer& buffer : data) x.push_back(buffer.view().template data<T>()[i]);
      result.view().template data<T>()[i] = reduce_one(op, x);
    }
  });
  return result;
}

}  // namespace lckv::test
