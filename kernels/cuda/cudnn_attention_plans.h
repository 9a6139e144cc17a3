#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "lckv/kernels/cuda/cudnn_attention_shape.h"
#include "lckv/kernels/cuda/cudnn_graph.h"
#include "lckv/tensor/stream.h"

namespace lckv::ops::cuda {

/// The compiled attentions of all devices. From any thread.
class CudnnAttentionPlans {
 public:
  /// Compiled at the first call. Null where cuDNN has no kernel for the shape, where compiling
  /// would disturb the graph that is recorded, and once there are too many: texts of all lengths
  /// would be compiled without end.
  std::shared_ptr<const CudnnPlan> find(const Stream& stream, const CudnnAttentionShape& shape);

 private:
  std::mutex mutex_;
  std::map<std::pair<int, CudnnAttentionShape>, std::shared_ptr<const CudnnPlan>> plans_;
};

/// Never destroyed: the driver may be gone by the time static objects are.
CudnnAttentionPlans& cudnn_attention_plans();

}  // namespace lckv::ops::cuda
