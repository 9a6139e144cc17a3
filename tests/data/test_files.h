#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "lckv/base/text.h"
#include "lckv/data/token_store.h"
#include "lckv/data/tokenizer.h"

namespace lckv::data {

/// An empty folder for one test, removed after it.
class TempFolder {
 public:
  TempFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = format("lckv_{}_{}_{}", test->test_suite_name(), test->name(), ::getpid());
    std::replace(name.begin(), name.end(), '/', '_');  // of a parametrised test
    folder_ = std::filesystem::path(testing::TempDir()) / name;
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~TempFolder() { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string path() const { return folder_.string(); }

  std::string write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(path(name), std::ios::binary) << content;
    return path(name);
  }

  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      found.push_back(entry.path().filename().string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

 private:
  std::filesystem::path folder_;
};

inline std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zstd_compressed(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

/// What `f` throws as E; fails the test when it throws nothing.
template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline std::string lines_of_words(int lines, uint64_t seed = 1) {
  const char* words[] = {"the", "cat",    "größe", "runs", "over",  "fields",
                         "and", "sleeps", "42",    "日本", "again."};
  std::string text;
  for (int i = 0; i < lines; ++i) {
    for (int w = 0; w < 3 + i % 9; ++w) {
      seed = seed * 6364136223846793005ull + 1442695040888963407ull;
      text += std::string(w > 0 ? " " : "") + words[(seed >> 33) % std::size(words)];
    }
    text += '\n';
  }
  return text;
}

/// One store of the given documents, bytes tokenizer, no BOS.
inline std::string write_store(const std::string& path, const std::vector<std::string>& documents) {
  const auto tokenizer = bytes_tokenizer();
  TokenStoreWriter writer(path, *tokenizer);
  for (const std::string& document : documents) {
    writer.begin_document();
    writer.append(tokenizer->encode(document));
  }
  writer.commit();
  return path;
}

}  // namespace lckv::data
