#include "lckv/checkpoint/manifest.h"

#include <array>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/input_file.h"

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

uint64_t hash_from(const ordered_json& digits) {
  return std::stoull(digits.get<std::string>(), nullptr, 16);
}

Manifest::Tensor tensor_from(const ordered_json& json) {
  Manifest::Tensor tensor;
  const auto spelled = json.at("dtype").get<std::string>();
  for (const DType dtype : kDTypes) {
    if (name(dtype) == spelled) tensor.dtype = dtype;
  }
  if (name(tensor.dtype) != spelled) throw std::invalid_argument("dtype " + spelled);
  tensor.global_shape = Shape(json.at("global_shape").get<std::vector<int64_t>>());
  for (const auto& piece : json.at("pieces")) {
    tensor.pieces.push_back({piece.at("file").get<std::string>(),
                             {piece.at("begin").get<std::vector<int64_t>>(),
                              piece.at("end").get<std::vector<int64_t>>()},
                             hash_from(piece.at("xxh3"))});
  }
  return tensor;
}

Manifest manifest_from(const ordered_json& json) {
  Manifest manifest;
  manifest.step = json.at("step").get<int64_t>();
  for (const auto& [file, summary] : json.at("files").items()) {
    manifest.files[file] = {summary.at("bytes").get<int64_t>(), hash_from(summary.at("xxh3"))};
  }
  for (const auto& [tensor, description] : json.at("tensors").items()) {
    manifest.tensors[tensor] = tensor_from(description);
  }
  manifest.trainer_json = json.at("trainer").dump();
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

}  // namespace

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
    const auto version = json.at("version").get<int64_t>();
    if (format_name != kFormat || version != Manifest::kVersion) {
      throw DataError(format("{}: format '{}' version {}, expected '{}' version {}", file.string(),
                             format_name, version, kFormat, Manifest::kVersion));
    }
    return manifest_from(json);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(format("{}: {}", file.string(), error.what()));
  } catch (const std::logic_error& error) {  // std::stoull, an unknown dtype
    throw DataError(format("{}: unreadable value: {}", file.string(), error.what()));
  }
}

Manifest read_manifest(const std::filesystem::path& state_folder) {
  const auto file = state_folder / Manifest::kFileName;
  return parse_manifest(read_text_file(file, kLimitBytes), file);
}

}  // namespace lckv::checkpoint
