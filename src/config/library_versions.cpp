#include "lckv/config/library_versions.h"

namespace lckv::config {

std::string yaml_cpp_version() { return LCKV_YAML_CPP_VERSION; }

}  // namespace lckv::config
