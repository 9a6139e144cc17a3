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
///
/// Processes may share one: each keeps the lines of the others, and who writes a product first
/// decides for all. Of two that write in the same instant one may lose its newest lines, until it
/// writes again.
class GemmAlgorithmFile {
 public:
  /// Reads the file where it exists. Throws DataError naming file and line.
  explicit GemmAlgorithmFile(std::filesystem::path path);

  std::optional<GemmAlgorithm> find(const std::string& product) const;
  /// Replaces the file by what it holds now and this line, whole or not at all; a product that it
  /// names by now keeps its algorithm: ask find(). Throws IoError, and DataError as the
  /// constructor.
  void add(const std::string& product, const GemmAlgorithm& algorithm);
  size_t size() const { return algorithms_.size(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  using Algorithms = std::map<std::string, GemmAlgorithm>;

  static Algorithms read(const std::filesystem::path& path);
  void write() const;

  std::filesystem::path path_;
  Algorithms algorithms_;
};

}  // namespace lckv::ops::cuda
