#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

/// What cuDNN is told of an attention, without any of its types.
namespace lckv::ops::cuda {

/// Causal attention over `tokens` queries and as many keys. Equal shapes share a plan.
struct CudnnAttentionShape {
  /// Elements between sequences, heads and tokens; 0 where a pass has no such tensor.
  using Strides = std::array<int64_t, 3>;

  int64_t batch = 0, tokens = 0, heads = 0, kv_heads = 0, width = 0;
  int64_t window = 0;  // keys that a query sees, itself included; 0: all before it
  bool is_backward = false;
  bool is_deterministic = false;  // of backward
  Strides q{}, k{}, v{}, out{}, lse{};
  Strides dout{}, dq{};  // dk and dv are packed

  auto operator<=>(const CudnnAttentionShape&) const = default;
};

struct CudnnProposal {
  int64_t engine;
  int64_t workspace_bytes;
};

/// How cuDNN would run it on the device that the JSON text describes (see cudnn_graph.h), best
/// guess first; needs no GPU, but a libcuda.so.1. Throws CudaError when cuDNN is missing or fails.
std::vector<CudnnProposal> cudnn_proposals(const CudnnAttentionShape& shape,
                                           const std::string& device_properties);

}  // namespace lckv::ops::cuda
