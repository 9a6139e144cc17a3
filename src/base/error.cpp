#include "lckv/base/error.h"

#include <cstring>

namespace lckv {

void fail_check(const char* condition, const char* file, int line, const std::string& message) {
  const char* slash = std::strrchr(file, '/');
  throw InternalError(std::string(slash != nullptr ? slash + 1 : file) + ":" +
                      std::to_string(line) + ": " + message + " (violated: " + condition + ")");
}

}  // namespace lckv
