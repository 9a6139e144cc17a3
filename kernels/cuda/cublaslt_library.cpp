#include "lckv/kernels/cuda/cublaslt_library.h"

#include <map>
#include <mutex>
#include <string>

#include <cuda_runtime_api.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::ops::cuda {

namespace {

// Another major version has other symbols and structs.
const std::string kNewest = format("libcublasLt.so.{}", CUBLAS_VER_MAJOR);

void use_device(int device) {
  if (cudaSetDevice(device) != cudaSuccess) {
    throw CudaError(format("cuda:{}: {}", device, cudaGetErrorString(cudaGetLastError())));
  }
}

}  // namespace

#define LCKV_CUBLASLT(name) library.function<decltype(::name)>(#name)

CublasLt::CublasLt()
    : library({kNewest, "libcublasLt.so"}),
      get_version(LCKV_CUBLASLT(cublasLtGetVersion)),
      status_string(LCKV_CUBLASLT(cublasLtGetStatusString)),
      create(LCKV_CUBLASLT(cublasLtCreate)),
      matmul(LCKV_CUBLASLT(cublasLtMatmul)),
      algo_get_heuristic(LCKV_CUBLASLT(cublasLtMatmulAlgoGetHeuristic)),
      algo_check(LCKV_CUBLASLT(cublasLtMatmulAlgoCheck)),
      desc_create(LCKV_CUBLASLT(cublasLtMatmulDescCreate)),
      desc_destroy(LCKV_CUBLASLT(cublasLtMatmulDescDestroy)),
      desc_set(LCKV_CUBLASLT(cublasLtMatmulDescSetAttribute)),
      layout_create(LCKV_CUBLASLT(cublasLtMatrixLayoutCreate)),
      layout_destroy(LCKV_CUBLASLT(cublasLtMatrixLayoutDestroy)),
      preference_create(LCKV_CUBLASLT(cublasLtMatmulPreferenceCreate)),
      preference_destroy(LCKV_CUBLASLT(cublasLtMatmulPreferenceDestroy)),
      preference_set(LCKV_CUBLASLT(cublasLtMatmulPreferenceSetAttribute)) {
  const size_t version = get_version();
  if (version / 10000 != CUBLAS_VER_MAJOR) {
    throw CudaError(format("{} is cuBLASLt {}, expected version {}", library.name(), version,
                           CUBLAS_VER_MAJOR));
  }
}

#undef LCKV_CUBLASLT

void CublasLt::check(cublasStatus_t status, const char* what) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw CudaError(format("{}: {}", what, status_string(status)));
}

const CublasLt& cublaslt() {
  static const auto* const loaded = new CublasLt;  // destructors of static objects may need it
  return *loaded;
}

cublasLtHandle_t cublaslt_handle(int device) {
  static std::mutex mutex;
  static auto* const handles = new std::map<int, cublasLtHandle_t>;
  const std::lock_guard lock(mutex);
  if (const auto found = handles->find(device); found != handles->end()) return found->second;
  use_device(device);
  cublasLtHandle_t made = nullptr;
  cublaslt().check(cublaslt().create(&made), "cublasLtCreate");
  return handles->emplace(device, made).first->second;
}

}  // namespace lckv::ops::cuda
