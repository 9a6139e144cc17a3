#include "lckv/cli/output_name.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::cli {

void require_output(const std::string& output, const char* option) {
  if (output.empty()) throw ConfigError(format("{}: must not be empty", option));
}

}  // namespace lckv::cli
