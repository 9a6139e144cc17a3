#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lckv::train {

/// Appends the fields of one message in the wire format of Protocol Buffers: each a key, number and
/// wire type, then its value. Nested messages are written first and added as bytes.
class ProtobufWriter {
 public:
  void add_int(int field, int64_t value) {
    key(field, 0);
    varint(static_cast<uint64_t>(value));
  }
  void add_double(int field, double value) {
    key(field, 1);
    little_endian(std::bit_cast<uint64_t>(value));
  }
  void add_float(int field, float value) {
    key(field, 5);
    little_endian(std::bit_cast<uint32_t>(value));
  }
  /// A string, bytes, or a message.
  void add_bytes(int field, std::string_view bytes) {
    key(field, 2);
    varint(bytes.size());
    text_ += bytes;
  }
  /// A packed repeated double.
  void add_doubles(int field, std::span<const double> values) {
    key(field, 2);
    varint(values.size() * sizeof(double));
    for (const double value : values) little_endian(std::bit_cast<uint64_t>(value));
  }

  const std::string& bytes() const { return text_; }

 private:
  void key(int field, int wire_type) {
    varint(static_cast<uint64_t>(field) << 3 | uint64_t(wire_type));
  }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  template <class Word>
  void little_endian(Word word) {
    for (size_t i = 0; i < sizeof(word); ++i) text_ += static_cast<char>(word >> (8 * i));
  }

  std::string text_;
};

}  // namespace lckv::train
