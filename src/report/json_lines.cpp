#include "lckv/report/json_lines.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::report {

namespace {

constexpr int kMostNamed = 5;

/// The mistakes of a file, the first few by name.
class Mistakes {
 public:
  explicit Mistakes(const std::string& path) : path_(path) {}

  void add(int64_t line, const std::string& what) {
    if (++count_ > kMostNamed) return;
    text_ += format("{}{}:{}: {}", text_.empty() ? "" : "\n", path_, line, what);
  }
  void throw_any() const {
    if (count_ == 0) return;
    if (count_ <= kMostNamed) throw DataError(text_);
    throw DataError(format("{}\n{}: {} more lines are broken", text_, path_, count_ - kMostNamed));
  }

 private:
  const std::string& path_;
  std::string text_;
  int64_t count_ = 0;
};

IoError cannot_read(const std::string& path) {
  return IoError(format("{}: cannot be read: {}", path, std::strerror(errno)));
}

}  // namespace

bool read_json_lines(const std::string& path,
                     const std::function<std::optional<std::string>(const std::string&)>& take) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw cannot_read(path);
  Mistakes mistakes(path);
  bool is_torn = false;
  std::string line;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const auto mistake = take(line);
    if (!mistake) continue;
    is_torn = file.eof();  // no line end was found
    if (!is_torn) mistakes.add(number, *mistake);
  }
  if (file.bad()) throw cannot_read(path);
  mistakes.throw_any();
  return is_torn;
}

std::string not_json(size_t position) {
  return format("is not valid JSON (character {})", position);
}

}  // namespace lckv::report
