#if __has_include(<cudnn_backend.h>)

#include "lckv/kernels/cuda/cudnn_library.h"

#include <array>
#include <map>

#include <cuda_runtime_api.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::ops::cuda {

namespace {

// Another major version has other symbols; before 9.15.1 backward reads past the last key.
constexpr size_t kOldest = 91501;
const std::string kNewest = format("libcudnn.so.{}", CUDNN_MAJOR);

/// cuDNN compiles its kernels by NVRTC, which asks for this part of itself by name alone, whatever
/// folder it was loaded from: once loaded, it is found. Where it is not beside cuDNN the loader may
/// find it all the same, or compiling fails and says so.
void load_compiler_parts() {
  try {
    (void)SharedLibrary(
        {format("libnvrtc-builtins.so.{}.{}", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10)});
  } catch (const CudaError&) {
    return;
  }
}

void use_device(int device) {
  if (cudaSetDevice(device) != cudaSuccess) {
    throw CudaError(format("cuda:{}: {}", device, cudaGetErrorString(cudaGetLastError())));
  }
}

}  // namespace

#define LCKV_CUDNN(name) library.function<decltype(::name)>(#name)

Cudnn::Cudnn()
    : library({kNewest, "libcudnn.so"}),
      get_version(LCKV_CUDNN(cudnnGetVersion)),
      error_string(LCKV_CUDNN(cudnnGetErrorString)),
      last_error_string(LCKV_CUDNN(cudnnGetLastErrorString)),
      create(LCKV_CUDNN(cudnnCreate)),
      set_stream(LCKV_CUDNN(cudnnSetStream)),
      create_descriptor(LCKV_CUDNN(cudnnBackendCreateDescriptor)),
      destroy_descriptor(LCKV_CUDNN(cudnnBackendDestroyDescriptor)),
      finalize(LCKV_CUDNN(cudnnBackendFinalize)),
      set_attribute(LCKV_CUDNN(cudnnBackendSetAttribute)),
      get_attribute(LCKV_CUDNN(cudnnBackendGetAttribute)),
      execute(LCKV_CUDNN(cudnnBackendExecute)) {
  const size_t version = get_version();
  if (version < kOldest || version / 10000 != CUDNN_MAJOR) {
    throw CudaError(format("{} is cuDNN {}, expected {} or newer of version {}", library.name(),
                           version, kOldest, CUDNN_MAJOR));
  }
  load_compiler_parts();
}

#undef LCKV_CUDNN

std::string Cudnn::describe(cudnnStatus_t status) const {
  std::array<char, 1024> details{};
  last_error_string(details.data(), details.size() - 1);
  return format("{}: {}", error_string(status), details.data());
}

void Cudnn::check(cudnnStatus_t status, const char* what) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw CudaError(format("{}: {}", what, describe(status)));
}

const Cudnn& cudnn() {
  static const auto* const loaded = new Cudnn;  // destructors of static objects may need it
  return *loaded;
}

CudnnHandle& cudnn_handle(int device) {
  static std::mutex mutex;
  static auto* const handles = new std::map<int, CudnnHandle>;
  const std::lock_guard lock(mutex);
  CudnnHandle& handle = (*handles)[device];
  if (handle.native == nullptr) {
    use_device(device);
    cudnn().check(cudnn().create(&handle.native), "cudnnCreate");
  }
  return handle;
}

}  // namespace lckv::ops::cuda

#endif
