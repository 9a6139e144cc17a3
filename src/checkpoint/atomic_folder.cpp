#include "lckv/checkpoint/atomic_folder.h"

#include <cerrno>
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
  if (status.type() != fs::file_type::directory) {
    throw DataError(
        format("{}: a folder is to be written here, but a file is in the way", path.string()));
  }
  Content content;
  fs::directory_iterator entry(path, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    ++content.entries;
    if (entry->is_directory()) content.has_folders = true;
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

/// `built` gets the name of `old`, which is removed. On file systems without an exchange there is a
/// moment with neither under the name; both are whole then, as temporaries.
void replace_folder(const fs::path& built, const fs::path& old) {
  if (file_calls::exchange(built, old) == 0) {
    sync_folder(old.parent_path());
    remove_tree(built);
    return;
  }
  if (errno != EINVAL && errno != ENOSYS) throw_io_error(old, "replace the folder", errno);
  const fs::path doomed = set_aside(old);
  if (file_calls::rename(built, old) != 0) throw_io_error(old, "rename to it", errno);
  sync_folder(old.parent_path());
  remove_tree(doomed);
}

}  // namespace

AtomicFolder::AtomicFolder(const fs::path& path, ExistingFolder existing)
    : path_(resolve(path)), building_(with_suffix(path_, ".tmp")), existing_(existing) {
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
  if (content.entries > 0) {
    replace_folder(building_, path_);
    committed_ = true;
    return;
  }
  // rename(2) itself replaces an empty folder.
  if (file_calls::rename(building_, path_) != 0) throw_io_error(path_, "rename to it", errno);
  committed_ = true;
  sync_folder(path_.parent_path());
}

void remove_folder(const fs::path& folder) { remove_tree(set_aside(folder)); }

}  // namespace lckv::checkpoint
