#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

/// The tensors of a Hugging Face folder, in one file or in many.
class TensorSet {
 public:
  /// `model.safetensors`, or the files of `model.safetensors.index.json`. A path to a single
  /// .safetensors file works too. Throws IoError or DataError as FORMAT.md section 3 says.
  static TensorSet open(const std::filesystem::path& folder_or_file);

  /// Sorted.
  std::vector<std::string> names() const;
  bool contains(const std::string& name) const { return file_of_.contains(name); }
  /// As SafetensorsFile's functions of the same names.
  TensorInfo info(const std::string& name) const;
  void read(const std::string& name, const View& to) const;
  void read_slice(const std::string& name, const Slice& slice, const View& to) const;
  /// The file that holds it, for messages.
  const std::filesystem::path& path_of(const std::string& name) const;

 private:
  explicit TensorSet(std::filesystem::path path) : path_(std::move(path)) {}
  void add_file(const std::filesystem::path& path);
  void add_indexed_files(const std::filesystem::path& index_path);
  const SafetensorsFile& file_of(const std::string& name) const;

  std::filesystem::path path_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, size_t> file_of_;
};

}  // namespace lckv::checkpoint
