#if __has_include(<cudnn_backend.h>)

#include "lckv/kernels/cuda/cudnn_attention.h"

#include <algorithm>

#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/cuda/cudnn_attention_graph.h"
#include "lckv/kernels/cuda/cudnn_attention_plans.h"
#include "lckv/kernels/cuda/cudnn_attention_rows.h"
#include "lckv/kernels/cuda/cudnn_library.h"
#include "lckv/kernels/cuda/scratch.h"

namespace lckv::ops {

namespace {

struct Choice {
  AttentionBackend backend = AttentionBackend::kOwn;
  bool is_deterministic = false;
};
Choice choice;

}  // namespace

void set_attention_backend(AttentionBackend backend, bool deterministic) {
  if (backend == AttentionBackend::kCudnn) (void)cuda::cudnn();
  choice = {backend, deterministic};
}

namespace cuda {

namespace {

bool is_aligned(const ConstView& view) {  // rows of whole 16-byte chunks
  const int64_t bytes = size_bytes(view.dtype());
  if (reinterpret_cast<uintptr_t>(view.raw()) % 16 != 0 || view.dim(3) * bytes % 16 != 0) {
    return false;
  }
  return std::ranges::all_of(std::initializer_list<int>{0, 1, 2},
                             [&](int axis) { return view.stride(axis) * bytes % 16 == 0; });
}

/// Plain or strict causal attention of all tokens to all tokens, in views that cuDNN takes.
bool is_served(const ConstView& q, const ConstView& k, const ConstView& lse,
               const AttentionMask& mask, std::initializer_list<ConstView> views) {
  if (choice.backend != AttentionBackend::kCudnn) return false;
  if (q.dtype() != DType::kBF16 || q.dim(3) > 128) return false;
  if (mask.first_key || mask.key_lengths || mask.query_offset != 0) return false;
  if (q.dim(1) != k.dim(1) || q.dim(1) < (mask.strict ? 2 : 1) || q.dim(0) == 0) return false;
  const bool is_lse_packed =
      lse.is_contiguous() && reinterpret_cast<uintptr_t>(lse.raw()) % 16 == 0;
  return (mask.strict || is_lse_packed) && std::ranges::all_of(views, is_aligned);
}

/// The queries that cuDNN sees of a [B, T, Hq, D] view: query 0 of strict attention is left out. So
/// is its last key, but keys still begin where they did.
const void* inner_queries(const ConstView& view, const AttentionMask& mask) {
  return mask.strict ? view.slice(1, 1, view.dim(1)).raw() : view.raw();
}

CudnnAttentionShape::Strides strides(const ConstView& view) {
  return {view.stride(0), view.stride(2), view.stride(1)};
}

/// But for the tensors of backward.
CudnnAttentionShape shape_of(const ConstView& out, const ConstView& q, const ConstView& k,
                             const ConstView& v, const AttentionMask& mask) {
  CudnnAttentionShape shape;
  shape.batch = q.dim(0);
  shape.tokens = q.dim(1) - (mask.strict ? 1 : 0);
  shape.heads = q.dim(2);
  shape.kv_heads = k.dim(2);
  shape.width = q.dim(3);
  // Without the diagonal that strict queries do not see.
  const int64_t seen = mask.window_tokens > 0 ? mask.window_tokens + (mask.strict ? 0 : 1) : 0;
  if (seen < shape.tokens) shape.window = seen;
  shape.q = strides(q);
  shape.k = strides(k);
  shape.v = strides(v);
  shape.out = strides(out);
  shape.lse = {shape.heads * shape.tokens, shape.tokens, 1};
  return shape;
}

/// Places in one block of memory.
class Layout {
 public:
  int64_t take(int64_t bytes) {
    const int64_t at = bytes_;
    bytes_ += (bytes + 255) / 256 * 256;
    return at;
  }
  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

/// A call that cuDNN runs.
struct Pass {
  CudnnAttentionShape shape;
  bool is_strict;
  std::shared_ptr<const CudnnPlan> plan;
};

std::optional<Pass> planned(const Stream& stream, const CudnnAttentionShape& shape,
                            bool is_strict) {
  const auto plan = cudnn_attention_plans().find(stream, shape);
  if (!plan) return std::nullopt;
  return Pass{shape, is_strict, plan};
}

std::optional<Pass> forward_pass(const Stream& stream, const ConstView& out, const ConstView& lse,
                                 const ConstView& q, const ConstView& k, const ConstView& v,
                                 const AttentionMask& mask) {
  if (!is_served(q, k, lse, mask, {out, q, k, v})) return std::nullopt;
  return planned(stream, shape_of(out, q, k, v, mask), mask.strict);
}

std::optional<Pass> backward_pass(const Stream& stream, const ConstView& dq, const ConstView& dk,
                                  const ConstView& dv, const ConstView& dout, const ConstView& out,
                                  const ConstView& lse, const ConstView& q, const ConstView& k,
                                  const ConstView& v, const AttentionMask& mask) {
  if (!dk || !is_served(q, k, lse, mask, {dq, dk, dv, dout, out, q, k, v})) return std::nullopt;
  CudnnAttentionShape shape = shape_of(out, q, k, v, mask);
  shape.is_backward = true;
  shape.is_deterministic = choice.is_deterministic;
  shape.dout = strides(dout);
  shape.dq = strides(dq);
  return planned(stream, shape, mask.strict);
}

/// Where a pass finds what it needs beside its arguments, in one block of scratch memory.
struct TemporariesLayout {
  explicit TemporariesLayout(const Pass& pass) {
    const CudnnAttentionShape& shape = pass.shape;
    const int64_t rows = shape.batch * shape.heads * shape.tokens, elements = rows * shape.width;
    const bool sums_dq = shape.is_backward && !shape.is_deterministic;
    Layout layout;
    workspace = layout.take(pass.plan->workspace_bytes());
    lse = layout.take(pass.is_strict ? rows * size_bytes(DType::kF32) : 0);
    delta = layout.take(shape.is_backward ? rows * size_bytes(DType::kF32) : 0);
    dk = layout.take(shape.is_backward ? elements * size_bytes(DType::kBF16) : 0);
    dv = layout.take(shape.is_backward ? elements * size_bytes(DType::kBF16) : 0);
    dq_sum = layout.take(sums_dq ? elements * size_bytes(DType::kF32) : 0);
    bytes = layout.bytes();
  }

  int64_t workspace, lse, delta, dk, dv, dq_sum, bytes;
};

/// The same in the stream's scratch memory.
struct Temporaries {
  Temporaries(const Stream& stream, const Pass& pass) {
    const TemporariesLayout at(pass);
    auto* const memory = static_cast<std::byte*>(scratch(stream, ScratchUse::kAttention, at.bytes));
    workspace = memory + at.workspace;
    lse = reinterpret_cast<float*>(memory + at.lse);
    delta = memory + at.delta;
    dk = memory + at.dk;
    dv = memory + at.dv;
    dq_sum = memory + at.dq_sum;
  }

  void* workspace;
  float* lse;                      // [B, Hq, T-1], of strict passes; the others use the op's own
  void *delta, *dk, *dv, *dq_sum;  // see AttentionTensor
};

std::optional<int64_t> scratch_bytes(const std::optional<Pass>& pass) {
  if (!pass) return std::nullopt;
  return TemporariesLayout(*pass).bytes;
}

CudnnPlan::Argument argument(AttentionTensor tensor, const void* memory) {
  return {static_cast<int64_t>(tensor), memory};
}

void run(const Stream& stream, const CudnnPlan& plan,
         const std::vector<CudnnPlan::Argument>& arguments, void* workspace) {
  CudnnHandle& handle = cudnn_handle(stream.device().index);
  const std::lock_guard lock(handle.mutex);
  cudnn().check(cudnn().set_stream(handle.native, static_cast<cudaStream_t>(stream.native())),
                "cudnnSetStream");
  plan.run(handle.native, arguments, workspace);
}

}  // namespace

std::optional<int64_t> cudnn_attention_forward_scratch_bytes(const Stream& stream, const View& out,
                                                             const View& lse, const ConstView& q,
                                                             const ConstView& k, const ConstView& v,
                                                             const AttentionMask& mask) {
  return scratch_bytes(forward_pass(stream, out, lse, q, k, v, mask));
}

std::optional<int64_t> cudnn_attention_backward_scratch_bytes(
    const Stream& stream, const View& dq, const View& dk, const View& dv, const ConstView& dout,
    const ConstView& out, const ConstView& lse, const ConstView& q, const ConstView& k,
    const ConstView& v, const AttentionMask& mask) {
  return scratch_bytes(backward_pass(stream, dq, dk, dv, dout, out, lse, q, k, v, mask));
}

bool cudnn_attention_forward(const Stream& stream, const View& out, const View& lse,
                             const ConstView& q, const ConstView& k, const ConstView& v,
                             const AttentionMask& mask) {
  const std::optional<Pass> pass = forward_pass(stream, out, lse, q, k, v, mask);
  if (!pass) return false;
  const Temporaries t(stream, *pass);
  run(stream, *pass->plan,
      {argument(AttentionTensor::kQ, inner_queries(q, mask)),
       argument(AttentionTensor::kK, k.raw()), argument(AttentionTensor::kV, v.raw()),
       argument(AttentionTensor::kOut, inner_queries(out, mask)),
       argument(AttentionTensor::kLse, mask.strict ? t.lse : lse.raw())},
      t.workspace);
  if (mask.strict) {
    write_strict_lse(stream, lse, t.lse);
    clear_first_token(stream, out);
  }
  return true;
}

bool cudnn_attention_backward(const Stream& stream, const View& dq, const View& dk, const View& dv,
                              const ConstView& dout, const ConstView& out, const ConstView& lse,
                              const ConstView& q, const ConstView& k, const ConstView& v,
                              const AttentionMask& mask, GradMode mode) {
  const std::optional<Pass> pass = backward_pass(stream, dq, dk, dv, dout, out, lse, q, k, v, mask);
  if (!pass) return false;
  const CudnnAttentionShape& shape = pass->shape;
  const Temporaries t(stream, *pass);
  if (mask.strict) read_strict_lse(stream, t.lse, lse);
  std::vector<CudnnPlan::Argument> arguments = {
      argument(AttentionTensor::kQ, inner_queries(q, mask)),
      argument(AttentionTensor::kK, k.raw()),
      argument(AttentionTensor::kV, v.raw()),
      argument(AttentionTensor::kOut, inner_queries(out, mask)),
      argument(AttentionTensor::kLse, mask.strict ? t.lse : lse.raw()),
      argument(AttentionTensor::kDout, inner_queries(dout, mask)),
      argument(AttentionTensor::kDq, inner_queries(dq, mask)),
      argument(AttentionTensor::kDk, t.dk),
      argument(AttentionTensor::kDv, t.dv),
      argument(AttentionTensor::kDelta, t.delta)};
  if (!shape.is_deterministic) arguments.push_back(argument(AttentionTensor::kDqSum, t.dq_sum));
  run(stream, *pass->plan, arguments, t.workspace);
  if (mask.strict) clear_first_token(stream, dq);
  sum_key_gradients(stream, dk, dv, t.dk, t.dv, shape.tokens, shape.heads, mode);
  return true;
}

}  // namespace cuda

}  // namespace lckv::ops

#endif
