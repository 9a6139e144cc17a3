#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lckv/checkpoint/stored_type.h"
#include "lckv/tensor/shape.h"

namespace lckv::checkpoint {

/// What the JSON at the start of a safetensors file says.
struct SafetensorsHeader {
  static constexpr int64_t kLimitBytes = 100'000'000;  // of the public library too

  struct Entry {
    std::string name;
    StoredType type;
    Shape shape;
    int64_t begin;  // in bytes, from the start of the data
    int64_t end;
  };
  std::vector<Entry> entries;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

/// Parses and checks it against a file with `data_bytes` after the header. Throws DataError,
/// starting with `file`, on everything FORMAT.md section 2 lists.
SafetensorsHeader parse_safetensors_header(const std::string& text, int64_t data_bytes,
                                           const std::filesystem::path& file);

/// The header's text, padded to a multiple of 8; offsets are taken from the entries.
std::string format_safetensors_header(const SafetensorsHeader& header,
                                      const std::filesystem::path& file);

}  // namespace lckv::checkpoint
