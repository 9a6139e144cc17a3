#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"

namespace lckv::checkpoint {

namespace {

/// " (tensor 'x')" when the damage is in the data of a tensor, else "".
std::string damaged_tensor(const Manifest& manifest, const std::filesystem::path& path) {
  try {
    const auto file = SafetensorsFile::open(path);
    for (const auto& [name, tensor] : manifest.tensors) {
      for (const auto& piece : tensor.pieces) {
        if (piece.file == path.filename() && file.hash(file.bytes_of(name)) != piece.xxh3) {
          return format(" (tensor '{}')", name);
        }
      }
    }
  } catch (const Error&) {  // the damage is in the header
  }
  return "";
}

void verify_file(const Manifest& manifest, const std::filesystem::path& path,
                 const FileSummary& expected) {
  const InputFile file(path);
  if (file.bytes() != expected.bytes) {
    throw DataError(format("{}: has {} bytes, the manifest says {}", path.string(), file.bytes(),
                           expected.bytes));
  }
  const uint64_t hash = file.hash(0, file.bytes());
  if (hash == expected.xxh3) return;
  throw DataError(format("{}: is damaged{}: checksum {}, the manifest says {}", path.string(),
                         damaged_tensor(manifest, path), hash_digits(hash),
                         hash_digits(expected.xxh3)));
}

}  // namespace

void verify_state(const std::filesystem::path& state_folder) {
  const Manifest manifest = read_manifest(state_folder);
  const auto step = step_of(state_folder.filename().string());
  if (step && *step != manifest.step) {
    throw DataError(format("{}: the manifest is of step {}", state_folder.string(), manifest.step));
  }
  for (const auto& [file, summary] : manifest.files) {
    verify_file(manifest, state_folder / file, summary);
  }
}

std::optional<std::filesystem::path> find_latest_state(const std::filesystem::path& run_folder) {
  const auto states = list_state_folders(run_folder);
  std::string reasons;
  for (const StateFolder& state : states) {
    try {
      verify_state(state.path);
      return state.path;
    } catch (const Error& error) {
      log_warning(format("saved state {} cannot be used: {}", state.path.string(), error.what()));
      reasons += format("\n  {}", error.what());
    }
  }
  if (states.empty()) return std::nullopt;
  throw DataError(format("{}: none of the {} saved states is whole:{}", run_folder.string(),
                         states.size(), reasons));
}

StateSummary read_state_summary(const std::filesystem::path& state_folder) {
  Manifest manifest = read_manifest(state_folder);
  return {manifest.step, std::move(manifest.trainer_json)};
}

}  // namespace lckv::checkpoint
