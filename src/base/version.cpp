#include "lckv/base/version.h"

namespace lckv {

std::string program_version() {
  const std::string commit = LCKV_COMMIT;
  return LCKV_VERSION + (commit.empty() ? "" : " (" + commit + ")");
}

}  // namespace lckv
