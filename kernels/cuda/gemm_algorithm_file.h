#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace lckv::ops::cuda {

/// cuBLASLt's own encoding of an algorithm (cublasLtMatmulAlgo_t).
using GemmAlgorithm = std::array<uint64_t, 8>;

/// The algorithms that were found fastest: a text file with one line per product, its name, a tab
/// and eight hexadecimal words.
class GemmAlgorithmFile {
 public:
  /// Reads the file where it exists. Throws DataError naming file and line.
  explicit GemmAlgorithmFile(std::filesystem::path path);

  std::optional<GemmAlgorithm> find(const std::string& product) const;
  /// Replaces the file by one with this line more, whole or not at all. Throws IoError.
  void add(const std::string& product, const GemmAlgorithm& algorithm);
  size_t size() const { return algorithms_.size(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  void write() const;

  std::filesystem::path path_;
  std::map<std::string, GemmAlgorithm> algorithms_;
};

}  // namespace lckv::ops::cuda
