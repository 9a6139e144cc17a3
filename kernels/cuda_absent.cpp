#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/cuda/cudnn_attention_shape.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {

namespace {

[[noreturn]] void refuse() {
  throw CudaError(
      "built without CUDA: device cuda is not available in this binary; run with device cpu");
}

}  // namespace

const KernelTable& cuda_kernels() { refuse(); }

void set_gemm_tuning(const std::filesystem::path&) { refuse(); }

void set_attention_backend(AttentionBackend backend, bool) {
  if (backend == AttentionBackend::kCudnn) refuse();
}

int64_t attention_forward_scratch_bytes(const Stream&, const View&, const View&, const ConstView&,
                                        const ConstView&, const ConstView&, const AttentionMask&) {
  refuse();
}

int64_t attention_backward_scratch_bytes(const Stream&, const View&, const View&, const View&,
                                         const ConstView&, const ConstView&, const ConstView&,
                                         const ConstView&, const ConstView&, const ConstView&,
                                         const AttentionMask&) {
  refuse();
}

std::vector<cuda::CudnnProposal> cuda::cudnn_proposals(const CudnnAttentionShape&,
                                                       const std::string&) {
  refuse();
}

}  // namespace lckv::ops
