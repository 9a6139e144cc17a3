#include "lckv/checkpoint/tensor_set.h"

#include <set>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/strict_json.h"

namespace lckv::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr const char* kWholeFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr int kMaxDepth = 32;  // of what the index says besides

using WeightMap = std::map<std::string, std::string>;

WeightMap parse_weight_map(const fs::path& index_path) {
  const std::string text = read_text_file(index_path, SafetensorsHeader::kLimitBytes);
  WeightMap map;
  try {
    map = parse_strict_json<nlohmann::json>(text, kMaxDepth, index_path.string())
              .at("weight_map")
              .get<WeightMap>();
  } catch (const nlohmann::json::exception& error) {
    throw DataError(
        format("{}: expected an object with \"weight_map\" from tensor names to file "
               "names: {}",
               index_path.string(), error.what()));
  }
  for (const auto& [tensor, file] : map) {
    if (file.empty() || fs::path(file).filename() != file || file == "." || file == "..") {
      throw DataError(format("{}: tensor '{}': '{}' is not the name of a file in this folder",
                             index_path.string(), tensor, file));
    }
  }
  return map;
}

}  // namespace

TensorSet TensorSet::open(const fs::path& folder_or_file) {
  std::error_code
      ignored;  // what cannot be looked at cannot be opened either, and opening tells why
  TensorSet set(folder_or_file);
  if (!fs::is_directory(folder_or_file, ignored)) {
    set.add_file(folder_or_file);
    return set;
  }
  const bool has_whole = fs::exists(folder_or_file / kWholeFile, ignored);
  const bool has_index = fs::exists(folder_or_file / kIndexFile, ignored);
  if (has_whole && has_index) {
    throw DataError(format("{}: has both {} and {}; remove the one that is not meant",
                           folder_or_file.string(), kWholeFile, kIndexFile));
  }
  if (!has_whole && !has_index) {
    throw DataError(format("{}: has neither {} nor {}; only safetensors files are read",
                           folder_or_file.string(), kWholeFile, kIndexFile));
  }
  if (has_whole) {
    set.add_file(folder_or_file / kWholeFile);
  } else {
    set.add_indexed_files(folder_or_file / kIndexFile);
  }
  return set;
}

void TensorSet::add_file(const fs::path& path) {
  files_.push_back(SafetensorsFile::open(path));
  for (const std::string& name : files_.back().names()) file_of_[name] = files_.size() - 1;
}

void TensorSet::add_indexed_files(const fs::path& index_path) {
  const WeightMap map = parse_weight_map(index_path);
  std::set<std::string> files;
  for (const auto& [tensor, file] : map) files.insert(file);
  for (const std::string& file : files) {
    files_.push_back(SafetensorsFile::open(index_path.parent_path() / file));
    for (const std::string& name : files_.back().names()) {
      const auto listed = map.find(name);
      if (listed == map.end() || listed->second != file) {
        throw DataError(format(
            "{}: tensor '{}' is in '{}', but the index {}", index_path.string(), name, file,
            listed == map.end() ? "does not list it" : format("names '{}'", listed->second)));
      }
      file_of_[name] = files_.size() - 1;
    }
  }
  for (const auto& [tensor, file] : map) {
    if (!file_of_.contains(tensor)) {
      throw DataError(format("{}: tensor '{}' is not in '{}', where the index places it",
                             index_path.string(), tensor, file));
    }
  }
}

const SafetensorsFile& TensorSet::file_of(const std::string& name) const {
  const auto found = file_of_.find(name);
  if (found == file_of_.end()) {
    const std::string near = nearest_word(name, names());
    throw DataError(format("{}: has no tensor '{}'{}", path_.string(), name,
                           near.empty() ? "" : format("; did you mean '{}'?", near)));
  }
  return files_[found->second];
}

std::vector<std::string> TensorSet::names() const {
  std::vector<std::string> result;
  for (const auto& [name, unused] : file_of_) result.push_back(name);
  return result;
}

TensorInfo TensorSet::info(const std::string& name) const { return file_of(name).info(name); }
void TensorSet::read(const std::string& name, const View& to) const {
  file_of(name).read(name, to);
}
void TensorSet::read_slice(const std::string& name, const Slice& slice, const View& to) const {
  file_of(name).read_slice(name, slice, to);
}
const fs::path& TensorSet::path_of(const std::string& name) const { return file_of(name).path(); }

}  // namespace lckv::checkpoint
