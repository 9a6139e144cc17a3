#pragma once

#include <span>
#include <vector>

#include "lckv/tensor/buffer.h"

namespace lckv::test {

/// Normal numbers with this deviation, rounded to `dtype`: a function of (seed, element index).
Buffer random_tensor(DType dtype, const Shape& shape, uint64_t seed, double deviation = 1.0);

/// I32 tokens, uniform in [0, vocabulary).
Buffer random_tokens(const Shape& shape, int64_t vocabulary, uint64_t seed);

/// The values rounded to `dtype`.
Buffer tensor_of(DType dtype, const Shape& shape, std::span<const double> values);
Buffer tokens_of(std::span<const int32_t> tokens);
/// [1] F64.
Buffer scalar_of(double value);

/// The elements of a floating view in the order of their indices, strides followed.
std::vector<double> values_of(const ConstView& view);

}  // namespace lckv::test
