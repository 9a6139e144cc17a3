#include <algorithm>
#include <filesystem>

#include <glob.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/text_format.h"
#include "lckv/data/text_source.h"

namespace lckv::data {

namespace {

namespace fs = std::filesystem;

constexpr const char* kKinds = ".txt or .jsonl, optionally followed by .gz or .zst";

std::vector<std::string> files_below(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;  // a dangling link is not a regular file
    if (it->is_regular_file(ignored) && text_format(it->path().string())) {
      files.push_back(it->path().string());
    }
  }
  if (error) throw IoError(format("{}: cannot be listed: {}", folder, error.message()));
  if (files.empty())
    throw DataError(format("{}: the folder holds no file named {}", folder, kKinds));
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::string> matches_of(const std::string& pattern) {
  glob_t found{};
  const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
  const std::vector<std::string> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (result != 0 && result != GLOB_NOMATCH) throw IoError(pattern + ": cannot be listed");
  return paths;
}

void add_path(const std::string& path, std::vector<std::string>& files) {
  if (fs::is_directory(path)) {
    const auto below = files_below(path);
    files.insert(files.end(), below.begin(), below.end());
  } else if (text_format(path)) {
    files.push_back(path);
  } else {
    throw DataError(
        format("{}: unknown kind of text file, expected a name ending in {}", path, kKinds));
  }
}

}  // namespace

std::vector<std::string> expand_inputs(const std::vector<std::string>& inputs) {
  std::vector<std::string> files;
  for (const std::string& input : inputs) {
    if (fs::exists(input)) {
      add_path(input, files);
      continue;
    }
    const auto paths = matches_of(input);
    if (paths.empty()) throw IoError(input + ": no such file or folder, and no file matches it");
    for (const std::string& path : paths) add_path(path, files);
  }
  if (files.empty()) throw DataError("no text file given");
  return files;
}

int64_t total_file_bytes(const std::vector<std::string>& files) {
  int64_t total = 0;
  for (const std::string& file : files) {
    std::error_code error;
    const auto size = fs::file_size(file, error);
    if (error) throw IoError(format("{}: cannot be read: {}", file, error.message()));
    total += static_cast<int64_t>(size);
  }
  return total;
}

}  // namespace lckv::data
