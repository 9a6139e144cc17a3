#include "lckv/cli/output_name.h"

#include "lckv/base/error.h"

namespace lckv::cli {

void require_output(const std::string& output) {
  if (output.empty()) throw ConfigError("--output: must not be empty");
}

}  // namespace lckv::cli
