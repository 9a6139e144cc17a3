#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "lckv/tensor/dtype.h"

namespace lckv::checkpoint {

/// An element type as a safetensors file spells it.
enum class StoredType : uint8_t { kF16, kBF16, kF32, kF64, kI32, kI64 };

/// "F16", "BF16", ...
std::string_view spelling(StoredType type);
std::optional<StoredType> stored_type_from(std::string_view text);
int64_t size_bytes(StoredType type);

/// The dtype that holds every value of `type` exactly; F32 for F16.
DType dtype_of(StoredType type);
StoredType stored_type_of(DType dtype);

/// Whether convert() knows the pair: equal types, or both floating.
bool convertible(StoredType from, DType to);
/// `count` elements; widening is exact, narrowing rounds once to nearest, ties to even. No overlap;
/// any alignment.
void convert(const std::byte* from, StoredType from_type, std::byte* to, DType to_type,
             int64_t count);
/// The same towards a file.
void convert(const std::byte* from, DType from_type, std::byte* to, StoredType to_type,
             int64_t count);

}  // namespace lckv::checkpoint
