#include <oneapi/dnnl/dnnl.h>

#include "lckv/base/text.h"
#include "lckv/kernels/library_versions.h"

namespace lckv::ops {

std::string onednn_version() {
  const dnnl_version_t* const version = dnnl_version();
  return format("{}.{}.{}", version->major, version->minor, version->patch);
}

}  // namespace lckv::ops
