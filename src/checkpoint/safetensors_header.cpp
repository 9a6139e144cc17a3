#include "lckv/checkpoint/safetensors_header.h"

#include <algorithm>
#include <limits>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/strict_json.h"

namespace lckv::checkpoint {

namespace {

using nlohmann::json;
using Entry = SafetensorsHeader::Entry;

constexpr const char* kMetadata = "__metadata__";
constexpr int kMaxDepth = 4;  // header, tensor, its arrays, their numbers

/// Refuses with "<file>: <place>: <what>".
class Refusal {
 public:
  Refusal(const std::filesystem::path& file, std::string place)
      : file_(file), place_(std::move(place)) {}
  [[noreturn]] void operator()(const std::string& what) const {
    throw DataError(format("{}: {}: {}", file_.string(), place_, what));
  }

 private:
  const std::filesystem::path& file_;
  std::string place_;
};

json parse_json(const std::string& text, const std::filesystem::path& file) {
  const std::string place = file.string() + ": header";
  if (text.empty() || text.front() != '{') {
    throw DataError(format("{}: does not start with '{{'", place));
  }
  return parse_strict_json<json>(text, kMaxDepth, place);
}

/// A whole number in [0, 2^63).
int64_t whole_number(const json& value, const std::string& what, const Refusal& refuse) {
  const bool fits =
      value.is_number_unsigned() &&
      value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  if (!fits) refuse(format("{} is {}, expected a whole number in [0, 2^63)", what, value.dump()));
  return value.get<int64_t>();
}

StoredType parse_type(const json& value, const Refusal& refuse) {
  const auto type =
      value.is_string() ? stored_type_from(value.get_ref<const std::string&>()) : std::nullopt;
  if (!type) {
    refuse(format("dtype is {}, expected F64, F32, F16, BF16, I64 or I32", value.dump()));
  }
  return *type;
}

Shape parse_shape(const json& value, const Refusal& refuse) {
  if (!value.is_array()) refuse(format("shape is {}, expected an array", value.dump()));
  if (value.size() > Shape::kMaxRank) {
    refuse(format("shape has {} axes, expected at most {}", value.size(), Shape::kMaxRank));
  }
  std::vector<int64_t> extents;
  for (const json& extent : value) {
    extents.push_back(whole_number(extent, "an extent of the shape", refuse));
  }
  return Shape(extents);
}

/// Of the tensor's data. Empty axes count as 1 in the check, because strides are products of the
/// other extents; elements as 8 bytes, because what is read may be widened and written again.
int64_t checked_bytes(const Shape& shape, StoredType type, const Refusal& refuse) {
  int64_t product = 8;
  for (const int64_t extent : shape.extents()) {
    if (__builtin_mul_overflow(product, std::max<int64_t>(extent, 1), &product)) {
      refuse(format("shape {} of {} overflows 63 bits", to_string(shape), spelling(type)));
    }
  }
  return shape.numel() * size_bytes(type);
}

Entry parse_entry(const std::string& name, const json& value, int64_t data_bytes,
                  const std::filesystem::path& file) {
  const Refusal refuse(file, format("tensor '{}'", name));
  if (!value.is_object()) refuse(format("is {}, expected an object", value.dump()));
  for (const char* member : {"dtype", "shape", "data_offsets"}) {
    if (!value.contains(member)) refuse(format("has no \"{}\"", member));
  }
  for (const auto& [member, unused] : value.items()) {
    if (member != "dtype" && member != "shape" && member != "data_offsets") {
      refuse(format("has the unknown member {}", json(member).dump()));
    }
  }
  Entry entry{name, parse_type(value["dtype"], refuse), parse_shape(value["shape"], refuse), 0, 0};
  const json& offsets = value["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2) {
    refuse(format("data_offsets is {}, expected [begin, end]", offsets.dump()));
  }
  entry.begin = whole_number(offsets[0], "the begin of data_offsets", refuse);
  entry.end = whole_number(offsets[1], "the end of data_offsets", refuse);
  if (entry.begin > entry.end) refuse(format("data_offsets {} are reversed", offsets.dump()));
  if (entry.end > data_bytes) {
    refuse(format("data_offsets {} reach past the {} bytes of data in the file", offsets.dump(),
                  data_bytes));
  }
  const int64_t expected_bytes = checked_bytes(entry.shape, entry.type, refuse);
  if (entry.end - entry.begin != expected_bytes) {
    refuse(format("data_offsets {} span {} bytes, expected {} for {}{}", offsets.dump(),
                  entry.end - entry.begin, expected_bytes, spelling(entry.type),
                  to_string(entry.shape)));
  }
  return entry;
}

std::map<std::string, std::string> parse_metadata(const json& value, const Refusal& refuse) {
  if (!value.is_object()) refuse(format("{} is not an object", kMetadata));
  std::map<std::string, std::string> metadata;
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string()) {
      refuse(format("{} entry '{}' is {}, expected a string", kMetadata, key, text.dump()));
    }
    metadata.emplace(key, text.get<std::string>());
  }
  return metadata;
}

/// The data must be the tensors, back to back.
void check_layout(const std::vector<Entry>& entries, int64_t data_bytes,
                  const std::filesystem::path& file) {
  int64_t expected_begin = 0;
  std::string before = "the start of the data";
  for (const Entry& entry : entries) {
    const Refusal refuse(file, format("tensor '{}'", entry.name));
    if (entry.begin < expected_begin) {
      refuse(format("starts at byte {} of the data and overlaps {}, which ends at {}", entry.begin,
                    before, expected_begin));
    }
    if (entry.begin > expected_begin) {
      refuse(format("starts at byte {} of the data, {} bytes after {}", entry.begin,
                    entry.begin - expected_begin, before));
    }
    expected_begin = entry.end;
    before = format("tensor '{}'", entry.name);
  }
  if (expected_begin != data_bytes) {
    Refusal(file, "data")(format("{} bytes follow the last tensor, which ends at byte {}",
                                 data_bytes - expected_begin, expected_begin));
  }
}

}  // namespace

SafetensorsHeader parse_safetensors_header(const std::string& text, int64_t data_bytes,
                                           const std::filesystem::path& file) {
  const Refusal refuse(file, "header");
  const json parsed = parse_json(text, file);
  SafetensorsHeader header;
  for (const auto& [name, value] : parsed.items()) {
    if (name == kMetadata) {
      header.metadata = parse_metadata(value, refuse);
    } else {
      header.entries.push_back(parse_entry(name, value, data_bytes, file));
    }
  }
  std::stable_sort(header.entries.begin(), header.entries.end(),
                   [](const Entry& a, const Entry& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  check_layout(header.entries, data_bytes, file);
  return header;
}

std::string format_safetensors_header(const SafetensorsHeader& header,
                                      const std::filesystem::path& file) {
  nlohmann::ordered_json root = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) root[kMetadata] = header.metadata;
  for (const Entry& entry : header.entries) {
    LCKV_CHECK(entry.name != kMetadata && !root.contains(entry.name),
               format("tensor name '{}' is reserved or given twice", entry.name));
    root[entry.name] = {{"dtype", spelling(entry.type)},
                        {"shape", entry.shape.extents()},
                        {"data_offsets", {entry.begin, entry.end}}};
  }
  try {
    std::string text = root.dump();
    text.append((8 - text.size() % 8) % 8, ' ');
    return text;
  } catch (const json::exception& error) {
    throw DataError(
        format("{}: a name or metadata value is not text: {}", file.string(), error.what()));
  }
}

}  // namespace lckv::checkpoint
