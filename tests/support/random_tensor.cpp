#include "lckv/test_support/random_tensor.h"

#include "lckv/base/random.h"

namespace lckv::test {
namespace {

template <class F>
Buffer filled(DType dtype, const Shape& shape, const F& value_at) {
  Buffer buffer(dtype, shape);
  with_float_type(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* to = buffer.view().template data<T>();
    for (int64_t i = 0; i < shape.numel(); ++i) {
      to[i] = static_cast<T>(static_cast<AccumulatorOf<T>>(value_at(i)));
    }
  });
  return buffer;
}

double element(const ConstView& view, int64_t offset) {
  return with_float_type(view.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    return static_cast<double>(static_cast<AccumulatorOf<T>>(view.data<T>()[offset]));
  });
}

void append(const ConstView& view, int axis, int64_t offset, std::vector<double>& values) {
  if (axis == view.rank()) {
    values.push_back(element(view, offset));
    return;
  }
  for (int64_t i = 0; i < view.dim(axis); ++i) {
    append(view, axis + 1, offset + i * view.stride(axis), values);
  }
}

}  // namespace

Buffer random_tensor(DType dtype, const Shape& shape, uint64_t seed, double deviation) {
  const CounterRng rng(seed, 0);
  return filled(dtype, shape,
                [&](int64_t i) { return deviation * rng.normal(static_cast<uint64_t>(i)); });
}

Buffer random_tokens(const Shape& shape, int64_t vocabulary, uint64_t seed) {
  const CounterRng rng(seed, 0);
  Buffer buffer(DType::kI32, shape);
  auto* to = buffer.view().data<int32_t>();
  for (int64_t i = 0; i < shape.numel(); ++i) {
    to[i] = static_cast<int32_t>(
        rng.below(static_cast<uint64_t>(i), static_cast<uint64_t>(vocabulary)));
  }
  return buffer;
}

Buffer tensor_of(DType dtype, const Shape& shape, std::span<const double> values) {
  LCKV_CHECK(shape.numel() == static_cast<int64_t>(values.size()), to_string(shape));
  return filled(dtype, shape, [&](int64_t i) { return values[static_cast<size_t>(i)]; });
}

Buffer tokens_of(std::span<const int32_t> tokens) {
  Buffer buffer(DType::kI32, {static_cast<int64_t>(tokens.size())});
  for (size_t i = 0; i < tokens.size(); ++i) buffer.view().data<int32_t>()[i] = tokens[i];
  return buffer;
}

Buffer scalar_of(double value) {
  Buffer scalar(DType::kF64, {1});
  *scalar.view().data<double>() = value;
  return scalar;
}

std::vector<double> values_of(const ConstView& view) {
  std::vector<double> values;
  values.reserve(static_cast<size_t>(view.numel()));
  append(view, 0, 0, values);
  return values;
}

}  // namespace lckv::test
