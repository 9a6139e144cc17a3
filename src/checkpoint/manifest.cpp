#include "lckv/checkpoint/manifest.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/input_file.h"
#include "lckv/checkpoint/state_folders.h"

namespace lckv::checkpoint {

namespace {

using nlohmann::ordered_json;

constexpr const char* kFormat = "lckv-state";
constexpr std::string_view kChecksumPrefix = "{\n  \"checksum\": \"";
constexpr std::string_view kNoChecksum = "0000000000000000";
constexpr int64_t kLimitBytes = int64_t{1} << 30;

constexpr std::array kDTypes = {DType::kBF16, DType::kF32, DType::kF64, DType::kI32, DType::kI64};

ordered_json to_json(const Manifest::Piece& piece) {
  return {{"file", piece.file},
          {"offset", piece.offset},
          {"begin", piece.slice.begin},
          {"end", piece.slice.end},
          {"xxh3", hash_digits(piece.xxh3)}};
}

ordered_json to_json(const Manifest::Tensor& tensor) {
  ordered_json json = {{"dtype", name(tensor.dtype)},
                       {"global_shape", tensor.global_shape.extents()},
                       {"pieces", ordered_json::array()}};
  for (const auto& piece : tensor.pieces) json["pieces"].push_back(to_json(piece));
  return json;
}

/// The value itself or nothing: get() alone turns 1.5 into 1 and 2^64 - 1 into -1.
int64_t count_from(const ordered_json& json) {
  if (!json.is_number_unsigned() || json.get<uint64_t>() > INT64_MAX) {
    throw std::invalid_argument("not a count: " + json.dump());
  }
  return json.get<int64_t>();
}

/// The member of that name, an object: items() takes null for an empty one, and numbers a list.
const ordered_json& object_at(const ordered_json& json, const char* member) {
  const ordered_json& object = json.at(member);
  if (!object.is_object()) throw std::invalid_argument(format("{}: not an object", member));
  return object;
}

std::vector<int64_t> counts_from(const ordered_json& json) {
  if (!json.is_array()) throw std::invalid_argument("not a list: " + json.dump());
  std::vector<int64_t> counts;
  for (const auto& count : json) counts.push_back(count_from(count));
  return counts;
}

uint64_t hash_from(const ordered_json& json) {
  const auto digits = json.get<std::string>();
  uint64_t hash = 0;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, hash, 16);
  if (error != std::errc() || stopped != end || digits != hash_digits(hash)) {
    throw std::invalid_argument("hash '" + digits + "'");
  }
  return hash;
}

std::string plain_name(const std::string& file) {
  const bool plain = !file.empty() && file != "." && file != ".." &&
                     file.find_first_of(std::string("/\0", 2)) == std::string::npos;
  if (!plain) throw std::invalid_argument("file name '" + file + "'");
  return file;
}

Shape shape_from(const ordered_json& json) {
  const std::vector<int64_t> extents = counts_from(json);
  constexpr int64_t kMaxElems = int64_t{1} << 59;  // bytes of any dtype fit 63 bits
  int64_t elems = 1;
  for (const int64_t extent : extents) {
    if (extent > kMaxElems || (extent > 0 && elems > kMaxElems / extent)) {
      throw std::invalid_argument(format("extent {}", extent));
    }
    elems *= extent;
  }
  if (extents.size() > static_cast<size_t>(Shape::kMaxRank)) {
    throw std::invalid_argument(format("{} axes", extents.size()));
  }
  return Shape(extents);
}

Manifest::Piece piece_from(const ordered_json& json) {
  const Slice slice{counts_from(json.at("begin")), counts_from(json.at("end"))};
  if (slice.begin.size() != slice.end.size()) {
    throw std::invalid_argument(format("a piece begins at {} indices and ends at {}",
                                       slice.begin.size(), slice.end.size()));
  }
  return {json.at("file").get<std::string>(), count_from(json.at("offset")), slice,
          hash_from(json.at("xxh3"))};
}

Manifest::Tensor tensor_from(const ordered_json& json) {
  Manifest::Tensor tensor;
  const auto spelled = json.at("dtype").get<std::string>();
  for (const DType dtype : kDTypes) {
    if (name(dtype) == spelled) tensor.dtype = dtype;
  }
  if (name(tensor.dtype) != spelled) throw std::invalid_argument("dtype " + spelled);
  tensor.global_shape = shape_from(json.at("global_shape"));
  if (!json.at("pieces").is_array()) throw std::invalid_argument("pieces: not a list");
  for (const auto& piece : json.at("pieces")) tensor.pieces.push_back(piece_from(piece));
  return tensor;
}

Manifest manifest_from(const ordered_json& json) {
  Manifest manifest;
  manifest.step = count_from(json.at("step"));
  for (const auto& [file, summary] : object_at(json, "files").items()) {
    manifest.files[plain_name(file)] = {count_from(summary.at("bytes")),
                                        hash_from(summary.at("xxh3"))};
  }
  for (const auto& [tensor, description] : object_at(json, "tensors").items()) {
    manifest.tensors[tensor] = tensor_from(description);
  }
  manifest.trainer_json = object_at(json, "trainer").dump();
  return manifest;
}

void check_checksum(const std::string& text, const std::filesystem::path& file) {
  if (!text.starts_with(kChecksumPrefix) ||
      text.size() < kChecksumPrefix.size() + kNoChecksum.size()) {
    throw DataError(
        format("{}: is not the manifest of a saved state: it does not start with its "
               "checksum",
               file.string()));
  }
  std::string zeroed = text;
  zeroed.replace(kChecksumPrefix.size(), kNoChecksum.size(), kNoChecksum);
  const std::string stated = text.substr(kChecksumPrefix.size(), kNoChecksum.size());
  const std::string actual = hash_digits(hash_text(zeroed));
  if (stated != actual) {
    throw DataError(format("{}: is damaged: it states the checksum {}, its text has {}",
                           file.string(), stated, actual));
  }
}

[[noreturn]] void refuse_piece(const std::string& place, const std::string& tensor,
                               const Manifest::Piece& piece, const std::string& why) {
  throw DataError(format("{}: tensor '{}': piece {} in {}: {}", place, tensor,
                         to_string(piece.slice), piece.file, why));
}

void require_inside(const std::string& place, const std::string& name,
                    const Manifest::Tensor& tensor, const Manifest& manifest) {
  for (const Manifest::Piece& piece : tensor.pieces) {
    if (!piece.slice.fits(tensor.global_shape)) {
      refuse_piece(place, name, piece, "outside of shape " + to_string(tensor.global_shape));
    }
    const auto file = manifest.files.find(piece.file);
    if (file == manifest.files.end()) refuse_piece(place, name, piece, "no such file is listed");
    const int64_t bytes = piece.slice.shape().numel() * size_bytes(tensor.dtype);
    if (piece.offset < 0 || bytes > file->second.bytes ||
        piece.offset > file->second.bytes - bytes) {
      refuse_piece(place, name, piece,
                   format("{} bytes from byte {} on, the file has {}", bytes, piece.offset,
                          file->second.bytes));
    }
  }
}

/// The first axis on which pieces differ: they are told apart there fastest.
size_t axis_of_cuts(const std::vector<Manifest::Piece>& pieces, size_t rank) {
  const auto is_cut = [&](size_t axis) {
    return std::any_of(pieces.begin(), pieces.end(), [&](const Manifest::Piece& piece) {
      return piece.slice.begin[axis] != pieces.front().slice.begin[axis] ||
             piece.slice.end[axis] != pieces.front().slice.end[axis];
    });
  };
  size_t axis = 0;
  while (axis + 1 < rank && !is_cut(axis)) ++axis;
  return axis;
}

/// Boxes that are sorted by where they begin overlap only if one reaches the beginning of a later
/// one: those are few.
void require_disjoint(const std::string& place, const std::string& name,
                      const Manifest::Tensor& tensor) {
  const auto rank = static_cast<size_t>(tensor.global_shape.rank());
  const size_t axis = axis_of_cuts(tensor.pieces, rank);
  std::vector<const Manifest::Piece*> order;
  for (const auto& piece : tensor.pieces) order.push_back(&piece);
  if (rank > 0) {
    std::sort(order.begin(), order.end(), [axis](const auto* a, const auto* b) {
      return a->slice.begin[axis] < b->slice.begin[axis];
    });
  }
  for (size_t i = 0; i < order.size(); ++i) {
    for (size_t j = i + 1; j < order.size(); ++j) {
      if (rank > 0 && order[j]->slice.begin[axis] >= order[i]->slice.end[axis]) break;
      if (!intersection(order[i]->slice, order[j]->slice)) continue;
      refuse_piece(place, name, *order[j], "overlaps piece " + to_string(order[i]->slice));
    }
  }
}

void require_all_covered(const std::string& place, const std::string& name,
                         const Manifest::Tensor& tensor) {
  int64_t elems = 0;
  for (const auto& piece : tensor.pieces) elems += piece.slice.shape().numel();
  if (elems == tensor.global_shape.numel()) return;
  throw DataError(format("{}: tensor '{}': its pieces hold {} elements of {}", place, name, elems,
                         tensor.global_shape.numel()));
}

/// No byte of a file belongs to two pieces.
void require_own_bytes(const std::string& place, const Manifest& manifest) {
  struct Stretch {
    const std::string* tensor;
    const Manifest::Piece* piece;
    int64_t end;
  };
  std::vector<Stretch> order;
  for (const auto& [name, tensor] : manifest.tensors) {
    for (const auto& piece : tensor.pieces) {
      const int64_t bytes = piece.slice.shape().numel() * size_bytes(tensor.dtype);
      if (bytes > 0) order.push_back({&name, &piece, piece.offset + bytes});
    }
  }
  std::sort(order.begin(), order.end(), [](const Stretch& a, const Stretch& b) {
    return std::tie(a.piece->file, a.piece->offset) < std::tie(b.piece->file, b.piece->offset);
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const Stretch &before = order[i - 1], &here = order[i];
    if (before.piece->file != here.piece->file || before.end <= here.piece->offset) continue;
    refuse_piece(place, *here.tensor, *here.piece,
                 format("its byte {} belongs to '{}' too", here.piece->offset, *before.tensor));
  }
}

}  // namespace

std::string piece_name(const std::string& tensor, const Shape& global_shape, const Slice& slice) {
  return slice == Slice::whole(global_shape) ? tensor : tensor + to_string(slice);
}

void require_covered(const Manifest& manifest, const std::string& place) {
  for (const auto& [name, tensor] : manifest.tensors) {
    require_inside(place, name, tensor, manifest);
    require_disjoint(place, name, tensor);
    require_all_covered(place, name, tensor);
  }
  require_own_bytes(place, manifest);
}

std::string hash_digits(uint64_t hash) { return format("{:016x}", hash); }

std::string format_manifest(const Manifest& manifest) {
  ordered_json json = {{"checksum", kNoChecksum},         {"format", kFormat},
                       {"version", Manifest::kVersion},   {"step", manifest.step},
                       {"files", ordered_json::object()}, {"tensors", ordered_json::object()}};
  for (const auto& [file, summary] : manifest.files) {
    json["files"][file] = {{"bytes", summary.bytes}, {"xxh3", hash_digits(summary.xxh3)}};
  }
  for (const auto& [tensor, description] : manifest.tensors) {
    json["tensors"][tensor] = to_json(description);
  }
  try {
    json["trainer"] = ordered_json::parse(manifest.trainer_json);
    if (!json["trainer"].is_object()) throw DataError("the trainer's state is not a JSON object");
    std::string text = json.dump(2) + "\n";
    text.replace(kChecksumPrefix.size(), kNoChecksum.size(), hash_digits(hash_text(text)));
    return text;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(format("the trainer's state is not valid JSON: {}", error.what()));
  }
}

Manifest parse_manifest(const std::string& text, const std::filesystem::path& file) {
  check_checksum(text, file);
  try {
    const auto json = ordered_json::parse(text);
    const auto format_name = json.at("format").get<std::string>();
    const auto version = count_from(json.at("version"));
    if (format_name != kFormat || version != Manifest::kVersion) {
      const std::string message =
          format("{}: format '{}' version {}, expected '{}' version {}", file.string(), format_name,
                 version, kFormat, Manifest::kVersion);
      if (format_name == kFormat) throw OtherFormatVersion(message);
      throw DataError(message);
    }
    Manifest manifest = manifest_from(json);
    require_covered(manifest, file.string());
    return manifest;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(format("{}: {}", file.string(), error.what()));
  } catch (const std::logic_error& error) {  // an unknown dtype, a file name, a hash
    throw DataError(format("{}: unreadable value: {}", file.string(), error.what()));
  }
}

std::string format_manifest_part(const Manifest& part) {
  Manifest with_trainer = part;
  with_trainer.trainer_json = "{}";
  return format_manifest(with_trainer);
}

Manifest parse_manifest_part(const std::string& text) {
  return manifest_from(ordered_json::parse(text));
}

Manifest read_manifest(const std::filesystem::path& state_folder) {
  const auto file = state_folder / Manifest::kFileName;
  Manifest manifest = parse_manifest(read_text_file(file, kLimitBytes), file);
  const auto named = step_of((state_folder / "").parent_path().filename().string());
  if (!named || *named == manifest.step) return manifest;
  throw DataError(format("{}: is of step {}, its folder is named for step {}", file.string(),
                         manifest.step, *named));
}

}  // namespace lckv::checkpoint
