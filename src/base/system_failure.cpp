#include "lckv/base/system_failure.h"

#include <cstdio>
#include <cstring>

#include "lckv/base/text.h"

namespace lckv {

IoError to_io_error(const std::system_error& error) {
  if (std::ferror(stdout) != 0) return output_error(error.code().value());
  return IoError(error.what());
}

IoError output_error(int error) {
  return IoError(format("standard output: cannot be written: {}", std::strerror(error)));
}

}  // namespace lckv
