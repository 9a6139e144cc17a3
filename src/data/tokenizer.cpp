#include "lckv/data/tokenizer.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/hf_tokenizer_file.h"
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

constexpr const char* kSentencePieceFile = "tokenizer.model";
constexpr const char* kHuggingFaceFile = "tokenizer.json";
constexpr const char* kHuggingFaceConfig = "tokenizer_config.json";

std::shared_ptr<const Tokenizer> load_huggingface(const std::string& path) {
  HfTokenizerFile file = read_hf_tokenizer_file(read_whole_file(path), path);
  const auto config = std::filesystem::path(path).parent_path() / kHuggingFaceConfig;
  DocumentIds beside;
  if (std::filesystem::exists(config)) {
    beside = document_ids_of_config(read_whole_file(config.string()), config.string(), file);
  }
  return make_hf_tokenizer(std::move(file), beside);
}

std::string file_in(const std::filesystem::path& folder) {
  for (const char* const name : {kSentencePieceFile, kHuggingFaceFile}) {
    if (std::filesystem::exists(folder / name)) return (folder / name).string();
  }
  throw IoError(format("{}: the folder holds no tokenizer: neither {} nor {}", folder.string(),
                       kSentencePieceFile, kHuggingFaceFile));
}

}  // namespace

std::shared_ptr<const Tokenizer> load_tokenizer(const std::string& spec) {
  if (spec == "bytes") return bytes_tokenizer();
  if (std::filesystem::is_directory(spec)) return load_tokenizer(file_in(spec));
  if (spec.ends_with(".h5")) return TokenStore(spec).tokenizer();
  if (spec.ends_with(".json")) return load_huggingface(spec);
  return sentencepiece_tokenizer(read_whole_file(spec), spec);
}

}  // namespace lckv::data
