#include "lckv/doctor/text_files.h"

#include <fstream>
#include <iterator>

#include "lckv/base/text.h"

namespace lckv::doctor {

namespace {

std::string without_blanks_around(const std::string& text) {
  constexpr auto kBlanks = " \t\r\n";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string field_of(const std::string& text, const std::string& key, char separator) {
  for (const std::string& line : split(text, '\n')) {
    const size_t at = line.find(separator);
    if (at == std::string::npos) continue;
    if (without_blanks_around(line.substr(0, at)) != key) continue;
    return without_blanks_around(line.substr(at + 1));
  }
  return "";
}

}  // namespace lckv::doctor
