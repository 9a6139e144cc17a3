#pragma once

#include <mutex>
#include <string>

#include <cudnn_backend.h>

#include "lckv/tensor/shared_library.h"

namespace lckv::ops::cuda {

/// The functions of cuDNN that we call, from the library found at the first call of cudnn(). It
/// loads its other parts itself, from its own folder. Included by the files that plan and run
/// graphs alone.
struct Cudnn {
  Cudnn();

  SharedLibrary library;
  decltype(::cudnnGetVersion)* get_version;
  decltype(::cudnnGetErrorString)* error_string;
  decltype(::cudnnGetLastErrorString)* last_error_string;
  decltype(::cudnnCreate)* create;
  decltype(::cudnnSetStream)* set_stream;
  decltype(::cudnnBackendCreateDescriptor)* create_descriptor;
  decltype(::cudnnBackendDestroyDescriptor)* destroy_descriptor;
  decltype(::cudnnBackendFinalize)* finalize;
  decltype(::cudnnBackendSetAttribute)* set_attribute;
  decltype(::cudnnBackendGetAttribute)* get_attribute;
  decltype(::cudnnBackendExecute)* execute;

  /// Throws CudaError "<what>: CUDNN_STATUS_...: <what cuDNN says>".
  void check(cudnnStatus_t status, const char* what) const;
  std::string describe(cudnnStatus_t status) const;
};

/// Throws CudaError when the library is not installed or too old.
const Cudnn& cudnn();

/// Of one device. A handle knows one stream at a time: whoever sets it holds the lock until its
/// work is queued.
struct CudnnHandle {
  cudnnHandle_t native = nullptr;
  std::mutex mutex;
};

/// Made at the first call, which may not be while a graph is recorded. From any thread.
CudnnHandle& cudnn_handle(int device);

}  // namespace lckv::ops::cuda
