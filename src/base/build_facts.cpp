#include "lckv/base/build_facts.h"

namespace lckv {

BuildFacts build_facts() {
#ifdef __clang__
  const std::string compiler = "clang++ " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  return {.type = LCKV_BUILD_TYPE, .compiler = compiler, .sanitizers = LCKV_SANITIZERS};
}

}  // namespace lckv
