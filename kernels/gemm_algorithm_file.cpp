#include "lckv/kernels/gemm_algorithm_file.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"

namespace lckv::ops::cuda {

namespace {

constexpr std::string_view kTitle = "lckv gemm algorithms 1";

std::optional<GemmAlgorithm> parse(std::string_view text) {
  const std::vector<std::string> words = split(text, ' ');
  GemmAlgorithm algorithm{};
  if (words.size() != algorithm.size()) return std::nullopt;
  for (size_t i = 0; i < words.size(); ++i) {
    const char* const end = words[i].data() + words[i].size();
    const auto [stop, error] = std::from_chars(words[i].data(), end, algorithm[i], 16);
    if (error != std::errc{} || stop != end) return std::nullopt;
  }
  return algorithm;
}

std::string to_text(const GemmAlgorithm& algorithm) {
  std::string text;
  for (const uint64_t word : algorithm) text += format("{}{:x}", text.empty() ? "" : " ", word);
  return text;
}

}  // namespace

GemmAlgorithmFile::GemmAlgorithmFile(std::filesystem::path path)
    : path_(std::move(path)), algorithms_(read(path_)) {}

GemmAlgorithmFile::Algorithms GemmAlgorithmFile::read(const std::filesystem::path& path) {
  Algorithms algorithms;
  if (!std::filesystem::exists(path)) return algorithms;
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line) || line != kTitle) {
    throw DataError(format("{}:1: '{}', expected '{}'", path.string(), line, kTitle));
  }
  for (int number = 2; std::getline(in, line); ++number) {
    const size_t tab = line.find('\t');
    const auto algorithm =
        tab == std::string::npos ? std::nullopt : parse(std::string_view(line).substr(tab + 1));
    if (!algorithm) {
      throw DataError(format("{}:{}: expected a product, a tab and {} hexadecimal words",
                             path.string(), number, GemmAlgorithm{}.size()));
    }
    algorithms[line.substr(0, tab)] = *algorithm;
  }
  if (in.bad()) throw IoError(format("{}: {}", path.string(), std::strerror(errno)));
  return algorithms;
}

std::optional<GemmAlgorithm> GemmAlgorithmFile::find(const std::string& product) const {
  const auto found = algorithms_.find(product);
  return found == algorithms_.end() ? std::nullopt : std::optional(found->second);
}

void GemmAlgorithmFile::add(const std::string& product, const GemmAlgorithm& algorithm) {
  Algorithms now = read(path_);
  now.merge(algorithms_);  // what stands in the file stays
  now.emplace(product, algorithm);
  algorithms_ = std::move(now);
  write();
}

void GemmAlgorithmFile::write() const {
  // Another host may be writing the same file.
  const std::filesystem::path temporary =
      format("{}.{}.{}.tmp", path_.string(), host_name(), ::getpid());
  std::ofstream out(temporary, std::ios::trunc);
  out << kTitle << '\n';
  for (const auto& [product, algorithm] : algorithms_) {
    out << product << '\t' << to_text(algorithm) << '\n';
  }
  out.close();
  std::error_code error;
  if (!out) error = {errno != 0 ? errno : EIO, std::generic_category()};
  if (!error) std::filesystem::rename(temporary, path_, error);
  if (!error) return;
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  throw IoError(format("{}: cannot be written: {}", path_.string(), error.message()));
}

}  // namespace lckv::ops::cuda
