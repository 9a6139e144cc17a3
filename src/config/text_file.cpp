#include "lckv/config/text_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::config {

std::string read_text_file(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // peek: a folder opens like a file and fails at its first byte; << fails for an empty file
  if (file && file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad()) {
    throw IoError(format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  return text.str();
}

}  // namespace lckv::config
