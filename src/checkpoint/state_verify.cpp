#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/input_file.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/state.h"

namespace lckv::checkpoint {

namespace {

constexpr int64_t kChunkBytes = 1 << 20;

void throw_if_stopped(const std::atomic<bool>* stop) {
  if (stop != nullptr && *stop) throw Interrupted("stopped while a saved state was read");
}

/// A piece as a stretch of its file.
struct Stretch {
  int64_t begin, end;
  uint64_t xxh3;
  std::string tensor;  // with the slice, unless it is whole
};

/// The pieces of every file in the order of their bytes.
std::map<std::string, std::vector<Stretch>> stretches_by_file(const Manifest& manifest) {
  std::map<std::string, std::vector<Stretch>> by_file;
  for (const auto& [name, tensor] : manifest.tensors) {
    for (const auto& piece : tensor.pieces) {
      const int64_t bytes = piece.slice.shape().numel() * size_bytes(tensor.dtype);
      if (bytes == 0) continue;
      by_file[piece.file].push_back({piece.offset, piece.offset + bytes, piece.xxh3,
                                     piece_name(name, tensor.global_shape, piece.slice)});
    }
  }
  for (auto& [file, stretches] : by_file) {
    std::sort(stretches.begin(), stretches.end(),
              [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
  }
  return by_file;
}

/// Hashes the bytes begin .. end-1 into `whole` too.
uint64_t hash_stretch(const InputFile& file, int64_t begin, int64_t end, StreamHash& whole,
                      const std::atomic<bool>* stop) {
  StreamHash hash;
  std::vector<std::byte> chunk(static_cast<size_t>(std::min(kChunkBytes, end - begin)));
  for (int64_t at = begin; at < end; at += kChunkBytes) {
    throw_if_stopped(stop);
    const int64_t size_bytes = std::min(kChunkBytes, end - at);
    file.read(at, chunk.data(), size_bytes);
    hash.update(chunk.data(), static_cast<size_t>(size_bytes));
    whole.update(chunk.data(), static_cast<size_t>(size_bytes));
  }
  return hash.digest();
}

std::string differs(uint64_t actual, uint64_t expected) {
  return format("checksum {}, the manifest says {}", hash_digits(actual), hash_digits(expected));
}

/// The first piece that does not end inside the file; "" when only the header is short.
std::string first_cut_off(const std::vector<Stretch>& stretches, int64_t file_bytes) {
  for (const Stretch& stretch : stretches) {
    if (stretch.end > file_bytes) return stretch.tensor;
  }
  return "";
}

/// The message of an error about `file`, without the place that a Damage names itself.
std::string without_place(std::string what, const std::filesystem::path& file) {
  const std::string place = file.string() + ": ";
  if (what.starts_with(place)) what.erase(0, place.size());
  return what;
}

/// Reads one file whole, every byte once: header, pieces, and what may lie between them.
class FileCheck {
 public:
  FileCheck(std::filesystem::path path, const FileSummary& expected, std::vector<Stretch> stretches,
            const std::atomic<bool>* stop)
      : path_(std::move(path)),
        expected_(expected),
        stretches_(std::move(stretches)),
        stop_(stop) {}

  std::vector<Damage> run() {
    try {
      const InputFile file(path_);
      if (file.bytes() == expected_.bytes) {
        check_content(file);
      } else {
        add(first_cut_off(stretches_, file.bytes()),
            format("has {} bytes, the manifest says {}", file.bytes(), expected_.bytes));
      }
    } catch (const MissingBytes& error) {
      add(reading_, without_place(error.what(), path_));
    } catch (const IoError& error) {
      add(reading_, without_place(error.what(), path_));
      found_.back().unreadable = true;
    }
    return std::move(found_);
  }

 private:
  void check_content(const InputFile& file) {
    StreamHash whole;
    int64_t at = 0;
    for (const Stretch& stretch : stretches_) {
      reading_.clear();
      hash_stretch(file, at, stretch.begin, whole, stop_);
      reading_ = stretch.tensor;
      const uint64_t hash = hash_stretch(file, stretch.begin, stretch.end, whole, stop_);
      if (hash != stretch.xxh3) add(stretch.tensor, "is damaged: " + differs(hash, stretch.xxh3));
      at = stretch.end;
    }
    reading_.clear();
    hash_stretch(file, at, file.bytes(), whole, stop_);
    if (whole.digest() == expected_.xxh3 || !found_.empty()) return;
    add("", "is damaged outside of its tensors' data: " + differs(whole.digest(), expected_.xxh3));
  }

  void add(const std::string& tensor, const std::string& what) {
    found_.push_back({path_, tensor, what});
  }

  std::filesystem::path path_;
  FileSummary expected_;
  std::vector<Stretch> stretches_;
  const std::atomic<bool>* stop_;
  std::string reading_;  // the tensor whose bytes are being read
  std::vector<Damage> found_;
};

/// The folder's manifest, or what is wrong with it.
std::optional<Manifest> read_manifest_or(const std::filesystem::path& state_folder,
                                         std::vector<Damage>& found) {
  const auto add_damage = [&](const Error& error) -> Damage& {
    const auto file = state_folder / Manifest::kFileName;
    return found.emplace_back(Damage{file, "", without_place(error.what(), file)});
  };
  try {
    return read_manifest(state_folder);
  } catch (const OtherFormatVersion& error) {
    add_damage(error).other_version = true;
  } catch (const MissingBytes& error) {
    add_damage(error);
  } catch (const IoError& error) {
    add_damage(error).unreadable = true;
  } catch (const Error& error) {
    add_damage(error);
  }
  return std::nullopt;
}

}  // namespace

std::string to_string(const Damage& damage) {
  return format("{}: {}{}", damage.file.string(),
                damage.tensor.empty() ? "" : format("tensor '{}': ", damage.tensor), damage.what);
}

std::vector<Damage> find_damage(const std::filesystem::path& state_folder,
                                const std::atomic<bool>* stop, int part, int of) {
  std::vector<Damage> found;
  const auto manifest = read_manifest_or(state_folder, found);
  if (!manifest) return found;
  auto stretches = stretches_by_file(*manifest);
  int number = 0;
  for (const auto& [name, summary] : manifest->files) {
    if (number++ % of != part) continue;
    FileCheck check(state_folder / name, summary, std::move(stretches[name]), stop);
    for (Damage& damage : check.run()) found.push_back(std::move(damage));
  }
  return found;
}

std::vector<Damage> find_manifest_damage(const std::filesystem::path& state_folder) {
  std::vector<Damage> found;
  read_manifest_or(state_folder, found);
  return found;
}

void verify_state(const std::filesystem::path& state_folder, const std::atomic<bool>* stop) {
  const std::vector<Damage> found = find_damage(state_folder, stop);
  if (!found.empty()) throw DataError(to_string(found.front()));
}

}  // namespace lckv::checkpoint
