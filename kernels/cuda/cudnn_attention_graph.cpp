#if __has_include(<cudnn_backend.h>)

#include "lckv/kernels/cuda/cudnn_attention_graph.h"

#include <cmath>
#include <limits>

namespace lckv::ops::cuda {

namespace {

using Tensor = CudnnGraph::Tensor;
using Strides = CudnnAttentionShape::Strides;

/// What both passes are made of.
class Builder {
 public:
  explicit Builder(const CudnnAttentionShape& shape)
      : s_(shape),
        scores_(CudnnLayout::packed({s_.batch, s_.heads, s_.tokens, s_.tokens})),
        rows_(CudnnLayout::packed({s_.batch, s_.heads, s_.tokens, 1})),
        queries_(CudnnLayout::packed({s_.batch, s_.heads, s_.tokens, s_.width})),
        q_(memory(AttentionTensor::kQ, s_.heads, s_.q)) {}

  CudnnGraph take() { return std::move(graph_); }

 protected:
  CudnnLayout heads(int64_t count, const Strides& at) const {  // [B, count, T, D]
    return {{s_.batch, count, s_.tokens, s_.width}, {at[0], at[1], at[2], 1}};
  }
  Tensor memory(AttentionTensor id, int64_t count, const Strides& at) {
    return graph_.memory(static_cast<int64_t>(id), CUDNN_DATA_BFLOAT16, heads(count, at));
  }
  Tensor memory_transposed(AttentionTensor id, int64_t count, const Strides& at) {
    return graph_.memory(static_cast<int64_t>(id), CUDNN_DATA_BFLOAT16,
                         heads(count, at).transposed());
  }
  Tensor lse() {
    return graph_.memory(
        static_cast<int64_t>(AttentionTensor::kLse), CUDNN_DATA_FLOAT,
        {{s_.batch, s_.heads, s_.tokens, 1}, {s_.lse[0], s_.lse[1], s_.lse[2], 1}});
  }
  Tensor scores() { return graph_.between(scores_); }
  Tensor rows() { return graph_.between(rows_); }

  Tensor scaled(Tensor x) {
    const Tensor y = scores();
    const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s_.width)));
    graph_.pointwise(CUDNN_POINTWISE_MUL, x, graph_.number(scale), y);
    return y;
  }
  /// Of k transposed.
  Tensor scaled_scores(Tensor k) {
    const Tensor s = scores();
    graph_.matmul(q_, k, s);
    return scaled(s);
  }
  Tensor index(int64_t axis, Tensor x, cudnnDataType_t type) {
    const Tensor y = graph_.between(scores_, type);
    graph_.index(axis, x, y);
    return y;
  }
  Tensor where(cudnnPointwiseMode_t relation, Tensor a, Tensor b, Tensor x, float otherwise) {
    const Tensor holds = graph_.between(scores_, CUDNN_DATA_BOOLEAN);
    graph_.compare(relation, a, b, holds);
    const Tensor y = scores();
    graph_.select(x, graph_.number(otherwise), holds, y);
    return y;
  }
  Tensor causal(Tensor x) {
    const Tensor query = index(2, x, CUDNN_DATA_INT32), key = index(3, x, CUDNN_DATA_INT32);
    return where(CUDNN_POINTWISE_CMP_GE, query, key, x, std::numeric_limits<float>::lowest());
  }
  Tensor windowed(Tensor x) {
    const Tensor query = index(2, x, CUDNN_DATA_FLOAT), key = index(3, x, CUDNN_DATA_FLOAT);
    const Tensor end = scores();
    graph_.pointwise(CUDNN_POINTWISE_ADD, key, graph_.number(static_cast<float>(s_.window)), end);
    return where(CUDNN_POINTWISE_CMP_GT, end, query, x, -1024.0F * 1024.0F * 1024.0F);
  }
  Tensor masked(Tensor x) {
    const Tensor y = causal(x);
    return s_.window > 0 ? windowed(y) : y;
  }

  const CudnnAttentionShape& s_;
  CudnnGraph graph_;
  CudnnLayout scores_, rows_, queries_;
  Tensor q_;
};

class Forward : public Builder {
 public:
  explicit Forward(const CudnnAttentionShape& shape) : Builder(shape) {
    const Tensor k = memory_transposed(AttentionTensor::kK, s_.kv_heads, s_.k);
    const Tensor p = softmax(masked(scaled_scores(k)));
    graph_.matmul(p, memory(AttentionTensor::kV, s_.kv_heads, s_.v),
                  memory(AttentionTensor::kOut, s_.heads, s_.out));
  }

 private:
  Tensor softmax(Tensor s) {
    const Tensor largest = rows(), below = scores(), weight = scores(), sum = rows();
    graph_.reduce(CUDNN_REDUCE_TENSOR_MAX, s, largest);
    graph_.pointwise(CUDNN_POINTWISE_SUB, s, largest, below);
    graph_.pointwise(CUDNN_POINTWISE_EXP, below, nullptr, weight);
    graph_.reduce(CUDNN_REDUCE_TENSOR_ADD, weight, sum);
    const Tensor log_sum = rows();
    graph_.pointwise(CUDNN_POINTWISE_LOG, sum, nullptr, log_sum);
    graph_.pointwise(CUDNN_POINTWISE_ADD, largest, log_sum, lse());
    const Tensor p = graph_.between(scores_, CUDNN_DATA_BFLOAT16);
    graph_.pointwise(CUDNN_POINTWISE_DIV, weight, sum, p);
    return p;
  }
};

class Backward : public Builder {
 public:
  explicit Backward(const CudnnAttentionShape& shape)
      : Builder(shape),
        k_(memory_transposed(AttentionTensor::kK, s_.kv_heads, s_.k)),
        dout_(memory(AttentionTensor::kDout, s_.heads, s_.dout)) {
    const Tensor delta = sum_of_products();
    const Tensor p = weights();
    key_gradient(p, dout_, AttentionTensor::kDv);
    const Tensor ds = score_gradient(delta, p);
    key_gradient(ds, q_, AttentionTensor::kDk);
    query_gradient(ds);
  }

 private:
  Tensor sum_of_products() {  // delta = sum_d dout out
    const Tensor product = graph_.between(queries_), sum = rows();
    graph_.pointwise(CUDNN_POINTWISE_MUL, dout_, memory(AttentionTensor::kOut, s_.heads, s_.out),
                     product);
    graph_.reduce(CUDNN_REDUCE_TENSOR_ADD, product, sum);
    const Tensor delta =
        graph_.memory(static_cast<int64_t>(AttentionTensor::kDelta), CUDNN_DATA_FLOAT, rows_);
    graph_.pointwise(CUDNN_POINTWISE_MUL, sum, graph_.number(1.0F), delta);
    return delta;
  }
  Tensor weights() {  // p = exp(s - lse), masked
    const Tensor below = scores(), p = scores();
    graph_.pointwise(CUDNN_POINTWISE_SUB, scaled_scores(k_), lse(), below);
    graph_.pointwise(CUDNN_POINTWISE_EXP, masked(below), nullptr, p);
    return p;
  }
  /// The gradient that `x` transposed times `rows` gives, of each query head.
  void key_gradient(Tensor x, Tensor rows, AttentionTensor result) {
    const Tensor transposed = graph_.between(scores_.transposed(), CUDNN_DATA_BFLOAT16);
    graph_.reshape(x, transposed);
    const int64_t token = s_.heads * s_.width;
    graph_.matmul(transposed, rows, memory(result, s_.heads, {s_.tokens * token, s_.width, token}));
  }
  Tensor score_gradient(Tensor delta, Tensor p) {  // ds = (dout v^T - delta) p scale
    const Tensor dp = scores(), centred = scores(), ds = scores();
    graph_.matmul(dout_, memory_transposed(AttentionTensor::kV, s_.kv_heads, s_.v), dp);
    graph_.pointwise(CUDNN_POINTWISE_SUB, dp, delta, centred);
    graph_.pointwise(CUDNN_POINTWISE_MUL, centred, p, ds);
    return scaled(ds);
  }
  /// Kept as it is, ds costs memory but dq needs no atomic additions.
  void query_gradient(Tensor ds) {
    const Tensor k = graph_.between(heads(s_.kv_heads, s_.k), CUDNN_DATA_BFLOAT16);
    graph_.reshape(k_, k);
    const Tensor dq = memory(AttentionTensor::kDq, s_.heads, s_.dq);
    if (s_.is_deterministic) return graph_.matmul(ds, k, dq);
    const Tensor sum =
        graph_.memory(static_cast<int64_t>(AttentionTensor::kDqSum), CUDNN_DATA_FLOAT, queries_);
    graph_.matmul(ds, k, sum);
    graph_.pointwise(CUDNN_POINTWISE_IDENTITY, sum, nullptr, dq);
  }

  Tensor k_, dout_;
};

}  // namespace

CudnnGraph attention_graph(const CudnnAttentionShape& shape) {
  return shape.is_backward ? Backward(shape).take() : Forward(shape).take();
}

std::vector<CudnnProposal> cudnn_proposals(const CudnnAttentionShape& shape,
                                           const std::string& device_properties) {
  CudnnGraph graph = attention_graph(shape);
  graph.close(nullptr);
  std::vector<CudnnProposal> proposals;
  for (const CudnnEngine& engine : graph.engines(device_properties)) {
    proposals.push_back({engine.index, engine.workspace_bytes});
  }
  return proposals;
}

}  // namespace lckv::ops::cuda

#endif
