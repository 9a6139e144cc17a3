#include <map>

#include "lckv/base/random.h"
#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/state.h"

namespace lckv::checkpoint {

namespace {

using ShardsByName = std::map<std::string, const Shard*>;

ShardsByName by_name(std::span<const Shard> shards) {
  ShardsByName result;
  for (const Shard& shard : shards) {
    LCKV_CHECK(result.emplace(shard.name, &shard).second,
               format("shard '{}' is given twice", shard.name));
  }
  return result;
}

std::string describe(DType dtype, const Shape& shape, const Slice& slice) {
  return format("{}{} slice {}", name(dtype), to_string(shape), to_string(slice));
}

void check_matches(const std::string& folder, const Shard& shard, const Manifest::Tensor& saved) {
  if (saved.pieces.size() != 1) {
    throw DataError(format("{}: tensor '{}' was saved in {} pieces, expected 1", folder, shard.name,
                           saved.pieces.size()));
  }
  const std::string asked = describe(shard.view.dtype(), shard.global_shape, shard.slice);
  const std::string have = describe(saved.dtype, saved.global_shape, saved.pieces[0].slice);
  if (asked != have) {
    throw DataError(
        format("{}: tensor '{}': expected {}, the state has {}", folder, shard.name, asked, have));
  }
}

/// Every tensor of the state is asked for, every one asked for is there, and they fit.
void check_all_match(const std::string& folder, const ShardsByName& shards,
                     const Manifest& manifest) {
  for (const auto& [name, shard] : shards) {
    const auto saved = manifest.tensors.find(name);
    if (saved == manifest.tensors.end()) {
      throw DataError(
          format("{}: the state has no tensor '{}' (it has {} tensors, {} are expected)", folder,
                 name, manifest.tensors.size(), shards.size()));
    }
    check_matches(folder, *shard, saved->second);
  }
  for (const auto& [name, saved] : manifest.tensors) {
    if (!shards.contains(name)) {
      throw DataError(
          format("{}: tensor '{}' of the state is not expected (it has {} tensors, {} "
                 "are expected)",
                 folder, name, manifest.tensors.size(), shards.size()));
    }
  }
}

/// The piece of `tensor` in this file. The manifest may list none: then header and manifest
/// disagree.
const Manifest::Piece& piece_in(const SafetensorsFile& file, const Manifest& manifest,
                                const std::string& tensor) {
  const auto found = manifest.tensors.find(tensor);
  if (found == manifest.tensors.end() || found->second.pieces[0].file != file.path().filename()) {
    throw DataError(
        format("{}: tensor '{}' is not listed in the manifest", file.path().string(), tensor));
  }
  return found->second.pieces[0];
}

void load_tensor(const SafetensorsFile& file, const Manifest::Piece& piece, const Shard& shard) {
  const DType stored = file.info(shard.name).dtype;
  if (stored != shard.view.dtype()) {
    throw DataError(format("{}: tensor '{}': the manifest says {}, the file has {}",
                           file.path().string(), shard.name, name(shard.view.dtype()),
                           name(stored)));
  }
  file.read(shard.name, shard.view);
  const uint64_t hash = hash_bytes(shard.view.raw(), static_cast<size_t>(shard.view.bytes()));
  if (hash != piece.xxh3) {
    throw DataError(format("{}: tensor '{}' is damaged: checksum {}, the manifest says {}",
                           file.path().string(), shard.name, hash_digits(hash),
                           hash_digits(piece.xxh3)));
  }
}

StreamHash hash_of_header(const std::filesystem::path& path, int64_t bytes) {
  std::string header(static_cast<size_t>(bytes), '\0');
  InputFile(path).read(0, header.data(), bytes);
  StreamHash hash;
  hash.update(header.data(), header.size());
  return hash;
}

/// Reads the file's tensors in the order of their data, which has no holes: header and tensors
/// together are every byte of it, so the file's checksum costs no second reading. Returns how many
/// tensors there were.
size_t load_file(const std::filesystem::path& path, const FileSummary& expected,
                 const Manifest& manifest, const ShardsByName& shards) {
  const auto file = SafetensorsFile::open(path);
  StreamHash hash = hash_of_header(path, file.data_begin());
  for (const std::string& name : file.names()) {
    const Manifest::Piece& piece = piece_in(file, manifest, name);
    const Shard& shard = *shards.at(name);
    load_tensor(file, piece, shard);
    hash.update(shard.view.raw(), static_cast<size_t>(shard.view.bytes()));
  }
  if (hash.digest() != expected.xxh3) {
    throw DataError(format("{}: is damaged: checksum {}, the manifest says {}", path.string(),
                           hash_digits(hash.digest()), hash_digits(expected.xxh3)));
  }
  return file.names().size();
}

}  // namespace

std::string load_state(const std::filesystem::path& state_folder, std::span<const Shard> shards) {
  const Manifest manifest = read_manifest(state_folder);
  const ShardsByName wanted = by_name(shards);
  check_all_match(state_folder.string(), wanted, manifest);
  size_t loaded = 0;
  for (const auto& [file, summary] : manifest.files) {
    loaded += load_file(state_folder / file, summary, manifest, wanted);
  }
  if (loaded != wanted.size()) {
    throw DataError(format("{}: the files hold {} tensors, the manifest lists {}",
                           state_folder.string(), loaded, wanted.size()));
  }
  return manifest.trainer_json;
}

}  // namespace lckv::checkpoint
