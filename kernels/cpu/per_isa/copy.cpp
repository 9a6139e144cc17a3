#include <cstring>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

template <class To, class From>
void cast(To* __restrict to, const From* from, int64_t count) {
  if constexpr (std::is_same_v<To, From>) {
    std::memcpy(to, from, static_cast<size_t>(count) * sizeof(To));
  } else {
#pragma omp simd
    for (int64_t i = 0; i < count; ++i) to[i] = from_acc<To>(to_acc(from[i]));
  }
}

// `to` may be `from`.
template <class To, class From>
void accumulate(To* to, const From* from, int64_t begin, int64_t end) {
  using A = AccumulatorOf<To>;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    to[i] = from_acc<To>(to_acc(to[i]) + static_cast<A>(to_acc(from[i])));
  }
}

template <class F>
void with_two_types(DType to, DType from, const F& f) {
  with_float_type(
      to, [&](auto to_tag) { with_float_type(from, [&](auto from_tag) { f(to_tag, from_tag); }); });
}

void copy_rows(View to, ConstView from) {
  const int64_t columns = to.dim(1);
  with_two_types(to.dtype(), from.dtype(), [&](auto to_tag, auto from_tag) {
    auto* to_data = to.data<typename decltype(to_tag)::type>();
    const auto* from_data = from.data<typename decltype(from_tag)::type>();
    parallel_ranges(to.dim(0), to.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        cast(to_data + n * to.stride(0), from_data + n * from.stride(0), columns);
      }
    });
  });
}

void copy_elements(View to, ConstView from) {
  with_two_types(to.dtype(), from.dtype(), [&](auto to_tag, auto from_tag) {
    auto* to_data = to.data<typename decltype(to_tag)::type>();
    const auto* from_data = from.data<typename decltype(from_tag)::type>();
    parallel_elements(to.numel(), [&](int64_t begin, int64_t end) {
      cast(to_data + begin, from_data + begin, end - begin);
    });
  });
}

}  // namespace

void copy(Stream&, View to, ConstView from) {
  if (to.raw() == from.raw()) return;
  if (to.is_contiguous() && from.is_contiguous()) {
    copy_elements(to, from);
  } else {
    copy_rows(to, from);
  }
}

void copy_numbered_rows(Stream&, View to, ConstView to_row, ConstView from, ConstView from_row) {
  const auto element = static_cast<int64_t>(size_bytes(to.dtype()));
  const auto* const from_rows = from_row.data<int32_t>();
  const auto* const to_rows = to_row.data<int32_t>();
  const auto* const source = static_cast<const std::byte*>(from.raw());
  auto* const target = static_cast<std::byte*>(to.raw());
  const auto row_bytes = static_cast<size_t>(to.dim(1) * element);
  parallel_ranges(to_row.numel(), to_row.numel() * to.dim(1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(target + to_rows[i] * to.stride(0) * element,
                  source + from_rows[i] * from.stride(0) * element, row_bytes);
    }
  });
}

void fill_zero(Stream&, View x) {
  auto* memory = static_cast<std::byte*>(x.raw());
  parallel_elements(x.bytes(), [&](int64_t begin, int64_t end) {
    std::memset(memory + begin, 0, static_cast<size_t>(end - begin));
  });
}

void add(Stream&, View to, ConstView from) {
  with_two_types(to.dtype(), from.dtype(), [&](auto to_tag, auto from_tag) {
    auto* to_data = to.data<typename decltype(to_tag)::type>();
    const auto* from_data = from.data<typename decltype(from_tag)::type>();
    parallel_elements(to.numel(), [&](int64_t begin, int64_t end) {
      accumulate(to_data, from_data, begin, end);
    });
  });
}

LCKV_CPU_END
