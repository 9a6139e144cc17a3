#include "lckv/data/tokenizer.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/token_store.h"

namespace lckv::data {

namespace {

std::string read_whole_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || std::filesystem::is_directory(path)) {
    throw IoError(format("{}: cannot be read as a tokenizer: {}", path,
                         file ? "it is a folder" : std::strerror(errno)));
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& spec) {
  if (spec == "bytes") return bytes_tokenizer();
  if (spec.ends_with(".h5")) return TokenStore(spec).tokenizer();
  return sentencepiece_tokenizer(read_whole_file(spec), spec);
}

}  // namespace lckv::data
