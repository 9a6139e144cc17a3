#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/library_versions.h"

#if __has_include(<cudnn_backend.h>)

#include "lckv/kernels/cuda/cudnn_library.h"

namespace lckv::ops {

std::string cudnn_version() {
  const size_t version = cuda::cudnn().get_version();
  return format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace lckv::ops

#else

namespace lckv::ops {

std::string cudnn_version() { throw CudaError("built without cuDNN: its headers were not found"); }

}  // namespace lckv::ops

#endif
