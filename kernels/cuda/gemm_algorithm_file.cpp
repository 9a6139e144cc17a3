#include "lckv/kernels/cuda/gemm_algorithm_file.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>
#include <system_error>
#include <vector>

#include "lckv/base/error.h"
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

GemmAlgorithmFile::GemmAlgorithmFile(std::filesystem::path path) : path_(std::move(path)) {
  if (!std::filesystem::exists(path_)) return;
  std::ifstream in(path_);
  std::string line;
  if (!std::getline(in, line) || line != kTitle) {
    throw DataError(format("{}:1: '{}', expected '{}'", path_.string(), line, kTitle));
  }
  for (int number = 2; std::getline(in, line); ++number) {
    const size_t tab = line.find('\t');
    const auto algorithm =
        tab == std::string::npos ? std::nullopt : parse(std::string_view(line).substr(tab + 1));
    if (!algorithm) {
      throw DataError(format("{}:{}: expected a product, a tab and {} hexadecimal words",
                             path_.string(), number, GemmAlgorithm{}.size()));
    }
    algorithms_[line.substr(0, tab)] = *algorithm;
  }
  if (in.bad()) throw IoError(format("{}: {}", path_.string(), std::strerror(errno)));
}

std::optional<GemmAlgorithm> GemmAlgorithmFile::find(const std::string& product) const {
  const auto found = algorithms_.find(product);
  return found == algorithms_.end() ? std::nullopt : std::optional(found->second);
}

void GemmAlgorithmFile::add(const std::string& product, const GemmAlgorithm& algorithm) {
  algorithms_[product] = algorithm;
  write();
}

void GemmAlgorithmFile::write() const {
  const std::filesystem::path temporary = path_.string() + ".tmp";
  std::ofstream out(temporary, std::ios::trunc);
  out << kTitle << '\n';
  for (const auto& [product, algorithm] : algorithms_) {
    out << product << '\t' << to_text(algorithm) << '\n';
  }
  out.close();
  if (!out) throw IoError(format("{}: {}", temporary.string(), std::strerror(errno)));
  std::error_code error;
  std::filesystem::rename(temporary, path_, error);
  if (error) throw IoError(format("{}: {}", path_.string(), error.message()));
}

}  // namespace lckv::ops::cuda
