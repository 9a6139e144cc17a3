#if __has_include(<cudnn_backend.h>)

#include "lckv/kernels/cuda/cudnn_attention_plans.h"

#include <cuda_runtime_api.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cuda/cudnn_attention_graph.h"
#include "lckv/kernels/cuda/cudnn_library.h"

namespace lckv::ops::cuda {

namespace {

constexpr size_t kMostPlans = 128;  // a second each

bool is_recorded(const Stream& stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaError_t asked =
      cudaStreamIsCapturing(static_cast<cudaStream_t>(stream.native()), &status);
  if (asked != cudaSuccess) {
    throw CudaError(format("cudaStreamIsCapturing: {}", cudaGetErrorString(asked)));
  }
  return status != cudaStreamCaptureStatusNone;
}

std::shared_ptr<const CudnnPlan> compiled(int device, const CudnnAttentionShape& shape) {
  CudnnHandle& handle = cudnn_handle(device);
  const std::lock_guard lock(handle.mutex);
  CudnnGraph graph = attention_graph(shape);
  graph.close(handle.native);
  std::vector<CudnnEngine> engines = graph.engines();
  if (engines.empty()) return nullptr;
  return std::make_shared<const CudnnPlan>(handle.native, std::move(graph), std::move(engines));
}

}  // namespace

std::shared_ptr<const CudnnPlan> CudnnAttentionPlans::find(const Stream& stream,
                                                           const CudnnAttentionShape& shape) {
  const std::lock_guard lock(mutex_);
  const int device = stream.device().index;
  const auto found = plans_.find({device, shape});
  if (found != plans_.end()) return found->second;
  if (plans_.size() >= kMostPlans || is_recorded(stream)) return nullptr;
  return plans_.emplace(std::pair(device, shape), compiled(device, shape)).first->second;
}

CudnnAttentionPlans& cudnn_attention_plans() {
  static auto* const all = new CudnnAttentionPlans;
  return *all;
}

}  // namespace lckv::ops::cuda

#endif
