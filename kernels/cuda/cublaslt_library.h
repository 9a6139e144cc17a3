#pragma once

#include <cublasLt.h>

#include "lckv/tensor/shared_library.h"

namespace lckv::ops::cuda {

/// The functions of cuBLASLt that we call, from the library found at the first call of cublaslt().
/// Included by the files that plan and run products alone.
struct CublasLt {
  CublasLt();

  SharedLibrary library;
  decltype(::cublasLtGetVersion)* get_version;
  decltype(::cublasLtGetStatusString)* status_string;
  decltype(::cublasLtCreate)* create;
  decltype(::cublasLtMatmul)* matmul;
  decltype(::cublasLtMatmulAlgoGetHeuristic)* algo_get_heuristic;
  decltype(::cublasLtMatmulAlgoCheck)* algo_check;
  decltype(::cublasLtMatmulDescCreate)* desc_create;
  decltype(::cublasLtMatmulDescDestroy)* desc_destroy;
  decltype(::cublasLtMatmulDescSetAttribute)* desc_set;
  decltype(::cublasLtMatrixLayoutCreate)* layout_create;
  decltype(::cublasLtMatrixLayoutDestroy)* layout_destroy;
  decltype(::cublasLtMatmulPreferenceCreate)* preference_create;
  decltype(::cublasLtMatmulPreferenceDestroy)* preference_destroy;
  decltype(::cublasLtMatmulPreferenceSetAttribute)* preference_set;

  /// Throws CudaError "<what>: CUBLAS_STATUS_...".
  void check(cublasStatus_t status, const char* what) const;
};

/// Throws CudaError when the library is not installed.
const CublasLt& cublaslt();
/// Of that device, made at the first call, which may not be while a graph is recorded. From any
/// thread.
cublasLtHandle_t cublaslt_handle(int device);

}  // namespace lckv::ops::cuda
