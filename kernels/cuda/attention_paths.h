#pragma once

#include <string>

#include "lckv/kernels/cuda/attention_mask.cuh"
#include "lckv/kernels/cuda/attention_views.cuh"

/// The three implementations of attention that are our own: `mma` for bf16 heads of 64 or 128 whose
/// rows are whole 16-byte chunks, `wgmma` for those of 64 where runs_wgmma(), `general` for
/// everything else. There is a query and a key. The fourth, cuDNN's, comes first where it is
/// chosen: cudnn_attention.h.
namespace lckv::ops::cuda {

/// What every attention kernel reads.
struct AttentionInputs {
  const Stream& stream;
  AttentionSizes sizes;
  MaskBounds mask;
  const ConstView& q;
  const ConstView& k;
  const ConstView& v;
};

/// Raises a kernel's limit of dynamic shared memory; before every launch, for it costs little and
/// counts per device.
template <class Kernel>
void allow_shared_bytes(const char* op, Kernel* kernel, int bytes) {
  const cudaError_t status =
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  if (status != cudaSuccess) {
    throw CudaError(std::string(op) + ": " + std::to_string(bytes) +
                    " bytes of shared memory per block: " + cudaGetErrorString(status));
  }
}

/// Whether the kernels for sm_90a run on the current device: it is such a one, and they were
/// compiled for it, not for its family. The same for all GPUs of a kind and one program.
bool runs_wgmma();

void forward_wgmma(const AttentionInputs& in, const View& out, const View& lse);
void forward_mma(const AttentionInputs& in, const View& out, const View& lse);
void forward_general(const AttentionInputs& in, const View& out, const View& lse);

/// Fills the table that both backward steps read; the type of its numbers is that of lse.
template <class A>
void query_statistics(const AttentionInputs& in, const StatisticsTable<A>& table,
                      const ConstView& dout, const ConstView& out, const ConstView& lse);

void backward_queries_wgmma(const AttentionInputs& in, const StatisticsTable<float>& table,
                            const View& dq, const ConstView& dout);
void backward_keys_wgmma(const AttentionInputs& in, const StatisticsTable<float>& table,
                         const View& dk, const View& dv, const ConstView& dout, GradMode mode);

void backward_queries_mma(const AttentionInputs& in, const StatisticsTable<float>& table,
                          const View& dq, const ConstView& dout);
void backward_keys_mma(const AttentionInputs& in, const StatisticsTable<float>& table,
                       const View& dk, const View& dv, const ConstView& dout, GradMode mode);

template <class A>
void backward_queries_general(const AttentionInputs& in, const StatisticsTable<A>& table,
                              const View& dq, const ConstView& dout);
template <class A>
void backward_keys_general(const AttentionInputs& in, const StatisticsTable<A>& table,
                           const View& dk, const View& dv, const ConstView& dout, GradMode mode);

}  // namespace lckv::ops::cuda
