#include "lckv/data/byte_reader.h"

#include <gtest/gtest.h>

#include "test_files.h"

namespace lckv::data {
namespace {

std::string read_all(const std::string& path, size_t capacity) {
  const auto reader = open_byte_reader(path);
  std::string content;
  std::string part(capacity, '\0');
  while (const size_t got = reader->read(part.data(), capacity)) content.append(part, 0, got);
  EXPECT_EQ(reader->position_bytes(), static_cast<int64_t>(std::filesystem::file_size(path)));
  return content;
}

TEST(ByteReader, GivesTheSameBytesForEveryCapacity) {
  const TempFolder folder;
  const std::string text = lines_of_words(10000) + std::string(500001, '0');
  for (const size_t capacity : {7, 1000, 131072, 262144, 10000000}) {
    EXPECT_TRUE(read_all(folder.write("a.txt", text), capacity) == text) << capacity;
    EXPECT_TRUE(read_all(folder.write("a.txt.gz", gzipped(text)), capacity) == text) << capacity;
    EXPECT_TRUE(read_all(folder.write("a.txt.zst", zstd_compressed(text)), capacity) == text)
        << capacity;
  }
}

}  // namespace
}  // namespace lckv::data
