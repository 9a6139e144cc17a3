#include "lckv/config/text_file.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::config {

namespace {

constexpr size_t kLimitBytes = size_t{64} << 20;

}  // namespace

std::string read_text_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text;
  std::array<char, 1 << 14> chunk;
  while (file.read(chunk.data(), chunk.size()), file.gcount() > 0) {
    text.append(chunk.data(), static_cast<size_t>(file.gcount()));
    if (text.size() > kLimitBytes) {
      throw IoError(format("{}: is longer than {}", path, human_bytes(double(kLimitBytes))));
    }
  }
  if (!file.is_open() || file.bad()) {  // a folder opens like a file and fails at its first byte
    throw IoError(format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  return text;
}

}  // namespace lckv::config
