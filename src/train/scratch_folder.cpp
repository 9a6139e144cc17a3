#include "lckv/train/scratch_folder.h"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"

namespace lckv::train {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void throw_io_error(const fs::path& path, std::string_view action,
                                 const std::error_code& error) {
  throw IoError(format("{}: cannot {}: {}", path.string(), action, error.message()));
}

void require_empty(const fs::path& folder) {
  std::error_code error;
  const bool is_empty = fs::is_empty(folder, error);
  if (error) throw_io_error(folder, "list the folder", error);
  if (is_empty) return;
  throw DataError(
      format("{}: is not empty, and everything in a measurement's folder is removed at "
             "its end: name one that is empty or does not exist",
             folder.string()));
}

}  // namespace

// Through the other constructor: what was made goes when the rest throws.
ScratchFolder::ScratchFolder(const fs::path& folder, const fs::path& parent) : ScratchFolder() {
  if (folder.empty()) {
    make_with_own_name(fs::current_path() / parent);
    return;
  }
  const fs::path wanted = fs::current_path() / folder;
  make(wanted);
  require_empty(wanted);
  path_ = wanted;
}

/// With those above it.
void ScratchFolder::make(const fs::path& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (fs::is_directory(status)) return;
  if (fs::exists(status)) throw DataError(format("{}: is not a folder", folder.string()));
  if (folder.has_relative_path()) make(folder.parent_path());
  if (fs::create_directory(folder, error)) made_.push_back(folder);
  if (error) throw_io_error(folder, "make the folder", error);
}

void ScratchFolder::make_with_own_name(const fs::path& parent) {
  make(parent);
  std::string name = (parent / "bench-checkpoint-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw_io_error(parent, "make a folder in it", {errno, std::generic_category()});
  }
  path_ = name;
  made_.push_back(path_);
}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  if (!path_.empty()) {
    fs::directory_iterator entry(path_, error);
    while (!error && entry != fs::directory_iterator()) {
      fs::remove_all(entry->path(), error);
      if (!error) entry.increment(error);
    }
  }
  for (; !error && !made_.empty(); made_.pop_back()) fs::remove(made_.back(), error);
  if (error && error != std::errc::directory_not_empty) {
    log_warning(format("{}: stays: {}", path_.string(), error.message()));
  }
}

}  // namespace lckv::train
