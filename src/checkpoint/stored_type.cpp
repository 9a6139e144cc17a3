#include "lckv/checkpoint/stored_type.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>

#include "lckv/base/text.h"

namespace lckv::checkpoint {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace {

constexpr std::array<StoredType, 6> kAll = {StoredType::kF16, StoredType::kBF16, StoredType::kF32,
                                            StoredType::kF64, StoredType::kI32,  StoredType::kI64};

/// IEEE half precision; read only.
struct Float16 {
  uint16_t bits;
};

float widen(Float16 half) {
  const float sign = (half.bits & 0x8000u) != 0 ? -1.0f : 1.0f;
  const int exponent = (half.bits >> 10) & 0x1F;
  const uint32_t mantissa = half.bits & 0x3FFu;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  if (exponent < 31) return sign * std::ldexp(static_cast<float>(mantissa | 0x400u), exponent - 25);
  const uint32_t word = (uint32_t{half.bits & 0x8000u} << 16) | 0x7F800000u | (mantissa << 13);
  return std::bit_cast<float>(word);
}

/// Rounded to odd: whoever rounds the result to fewer bits gets what rounding `value` at once would
/// give.
float narrow_to_odd(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || !std::isfinite(nearest)) return nearest;
  const uint32_t word = std::bit_cast<uint32_t>(nearest);
  if ((word & 1u) != 0) return nearest;
  const bool away = std::fabs(static_cast<double>(nearest)) < std::fabs(value);
  return std::bit_cast<float>(away ? word + 1 : word - 1);
}

template <class To, class From>
To convert_one(From value) {
  if constexpr (std::is_same_v<From, To>) {
    return value;
  } else if constexpr (std::is_same_v<From, Float16>) {
    return convert_one<To>(widen(value));
  } else if constexpr (std::is_same_v<From, BFloat16>) {
    return static_cast<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<From, double> && std::is_same_v<To, BFloat16>) {
    return BFloat16(narrow_to_odd(value));
  } else {
    return static_cast<To>(value);
  }
}

template <class From, class To>
void convert_all(const std::byte* from, std::byte* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, from + i * static_cast<int64_t>(sizeof(From)), sizeof(From));
    const To converted = convert_one<To>(value);
    std::memcpy(to + i * static_cast<int64_t>(sizeof(To)), &converted, sizeof(To));
  }
}

template <class F>
void with_stored_float(StoredType type, F&& f) {
  if (type == StoredType::kF16) return f(TypeTag<Float16>{});
  with_float_type(dtype_of(type), f);
}

}  // namespace

std::string_view spelling(StoredType type) {
  switch (type) {
    case StoredType::kF16:
      return "F16";
    case StoredType::kBF16:
      return "BF16";
    case StoredType::kF32:
      return "F32";
    case StoredType::kF64:
      return "F64";
    case StoredType::kI32:
      return "I32";
    case StoredType::kI64:
      return "I64";
  }
  return "?";
}

std::optional<StoredType> stored_type_from(std::string_view text) {
  for (const StoredType type : kAll) {
    if (spelling(type) == text) return type;
  }
  return std::nullopt;
}

int64_t size_bytes(StoredType type) {
  return type == StoredType::kF16 ? 2 : size_bytes(dtype_of(type));
}

DType dtype_of(StoredType type) {
  switch (type) {
    case StoredType::kBF16:
      return DType::kBF16;
    case StoredType::kF64:
      return DType::kF64;
    case StoredType::kI32:
      return DType::kI32;
    case StoredType::kI64:
      return DType::kI64;
    case StoredType::kF16:
    case StoredType::kF32:
      break;
  }
  return DType::kF32;
}

StoredType stored_type_of(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return StoredType::kBF16;
    case DType::kF64:
      return StoredType::kF64;
    case DType::kI32:
      return StoredType::kI32;
    case DType::kI64:
      return StoredType::kI64;
    case DType::kF32:
      break;
  }
  return StoredType::kF32;
}

bool convertible(StoredType from, DType to) {
  const auto is_integer = [](DType dtype) { return dtype == DType::kI32 || dtype == DType::kI64; };
  return dtype_of(from) == to || (!is_integer(dtype_of(from)) && !is_integer(to));
}

void convert(const std::byte* from, StoredType from_type, std::byte* to, DType to_type,
             int64_t count) {
  LCKV_CHECK(convertible(from_type, to_type),
             format("conversion of {} to {}", spelling(from_type), name(to_type)));
  if (stored_type_of(to_type) == from_type) {
    std::memcpy(to, from, static_cast<size_t>(count * size_bytes(from_type)));
    return;
  }
  with_stored_float(from_type, [&](auto from_tag) {
    with_float_type(to_type, [&](auto to_tag) {
      convert_all<typename decltype(from_tag)::type, typename decltype(to_tag)::type>(from, to,
                                                                                      count);
    });
  });
}

void convert(const std::byte* from, DType from_type, std::byte* to, StoredType to_type,
             int64_t count) {
  LCKV_CHECK(to_type != StoredType::kF16, "F16 is read, never written");
  convert(from, stored_type_of(from_type), to, dtype_of(to_type), count);
}

}  // namespace lckv::checkpoint
