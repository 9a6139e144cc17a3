#include "lckv/checkpoint/atomic_folder.h"

#include <cerrno>
#include <optional>
#include <system_error>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/file_calls.h"

namespace lckv::checkpoint {

namespace fs = std::filesystem;

namespace {

fs::path with_suffix(const fs::path& path, const char* suffix) { return path.string() + suffix; }

/// Absolute, symbolic links resolved, no trailing slash: a rename needs the name itself.
fs::path resolve(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::weakly_canonical(fs::absolute(path), error);
  if (error) throw_io_error(path, "resolve the path", error.value());
  return absolute.has_filename() ? absolute : absolute.parent_path();
}

struct Content {
  int64_t entries = 0;
  bool has_folders = false;
};

/// What is in the folder; nothing when there is none.
Content content_of(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) return {};
  if (!fs::exists(status)) throw_io_error(path, "look at the folder", error.value());
  if (status.type() != fs::file_type::directory) {
    throw DataError(
        format("{}: a folder is to be written here, but a file is in the way", path.string()));
  }
  Content content;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    ++content.entries;
    std::error_code unknown_kind;
    if (entry->is_directory(unknown_kind)) content.has_folders = true;
  }
  if (error) throw_io_error(path, "list the folder", error.value());
  return content;
}

void check_replaceable(const fs::path& path, const Content& content, ExistingFolder existing) {
  if (content.entries == 0) return;
  if (existing == ExistingFolder::kRefuse) {
    throw DataError(
        format("{}: the folder exists and holds {} entries; ask for it to be replaced, "
               "or choose another name",
               path.string(), content.entries));
  }
  if (content.has_folders) {
    throw DataError(
        format("{}: the folder holds sub-folders, so it is none that this program "
               "wrote; it is not replaced",
               path.string()));
  }
}

/// Takes the folder's name away from it.
fs::path set_aside(const fs::path& folder) {
  fs::path doomed = with_suffix(folder, ".removed.tmp");
  remove_tree(doomed);
  if (file_calls::rename(folder, doomed) != 0) throw_io_error(folder, "rename the folder", errno);
  return doomed;
}

/// By two renames. Between them there is nothing under the name: `old` stands, whole, at
/// replaced_path(), where it is found and restored when this process does not come to the second.
fs::path replace_by_renames(const fs::path& built, const fs::path& old) {
  const fs::path replaced = replaced_path(old);
  remove_tree(replaced);
  if (file_calls::rename(old, replaced) != 0) throw_io_error(old, "rename the folder", errno);
  if (file_calls::rename(built, old) != 0) {
    const int error_number = errno;
    file_calls::rename(replaced, old);  // restore_replaced() tries again when this fails too
    throw_io_error(old, "rename to it", error_number);
  }
  return replaced;
}

/// `built` gets the name of `old`. Returns where that stands now.
fs::path replace_folder(const fs::path& built, const fs::path& old) {
  if (file_calls::exchange(built, old) == 0) return built;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
    throw_io_error(old, "replace the folder", errno);
  }
  return replace_by_renames(built, old);
}

}  // namespace

fs::path AtomicFolder::building_path(const fs::path& path) {
  return with_suffix(resolve(path), ".tmp");
}

AtomicFolder::AtomicFolder(const fs::path& path, ExistingFolder existing)
    : path_(resolve(path)), building_(building_path(path)), existing_(existing) {
  restore_replaced(path_);
  check_replaceable(path_, content_of(path_), existing);
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  if (error) throw_io_error(path_.parent_path(), "create the folder", error.value());
  remove_tree(building_);
  if (file_calls::mkdir(building_) != 0) throw_io_error(path_, "create the folder", errno);
}

AtomicFolder::~AtomicFolder() {
  std::error_code ignored;  // a destructor must not throw; what stays is removed by the next writer
  if (!committed_) fs::remove_all(building_, ignored);
}

void AtomicFolder::commit() {
  LCKV_CHECK(!committed_, "second commit of " + path_.string());
  sync_folder(building_);
  const Content content = content_of(path_);
  check_replaceable(path_, content, existing_);
  std::optional<fs::path> replaced;
  if (content.entries > 0) {
    replaced = replace_folder(building_, path_);
  } else if (file_calls::rename(building_, path_) != 0) {  // which replaces an empty folder
    throw_io_error(path_, "rename to it", errno);
  }
  committed_ = true;
  // Before the old one goes: until then a power cut may leave either of the two under the name.
  sync_folder(path_.parent_path());
  if (replaced) remove_tree_or_warn(*replaced);
}

fs::path replaced_path(const fs::path& path) { return with_suffix(path, ".replaced.tmp"); }

void restore_replaced(const fs::path& path) {
  const fs::path replaced = replaced_path(path);
  std::error_code error;
  if (!fs::exists(replaced, error)) return;
  if (fs::exists(path, error)) return remove_tree(replaced);
  if (file_calls::rename(replaced, path) != 0) throw_io_error(path, "rename to it", errno);
}

void remove_folder(const fs::path& folder) {
  const fs::path doomed = set_aside(folder);
  // Before anything of it goes: else a power cut could leave the old name with half its files.
  sync_folder(doomed.parent_path());
  remove_tree(doomed);
}

}  // namespace lckv::checkpoint
