#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "lckv/kernels/cuda/gemm_key.h"
#include "lckv/kernels/gemm_algorithm_file.h"
#include "lckv/kernels/scratch_bytes.h"
#include "lckv/tensor/stream.h"

namespace lckv::ops::cuda {

/// A product prepared for one device: cuBLASLt's descriptors of it, and the algorithm chosen. Runs
/// from any thread once it is chosen.
class GemmPlan {
 public:
  GemmPlan(const GemmKey& key, int device);
  ~GemmPlan();
  GemmPlan(const GemmPlan&) = delete;
  GemmPlan& operator=(const GemmPlan&) = delete;

  /// What cuBLASLt proposes, best guess first, at most so many; none where it has no algorithm for
  /// such strides and alignments. All give equal bits in every run, within a workspace of
  /// kGemmWorkspaceBytes.
  std::vector<GemmAlgorithm> proposals(int most) const;
  /// Whether cuBLASLt can run it here.
  bool accepts(const GemmAlgorithm& algorithm) const;

  /// Without an algorithm our own kernel runs, which is general and slow.
  void choose(std::optional<GemmAlgorithm> algorithm) { chosen_ = algorithm; }
  void run(Stream& stream, const GemmOperands& at) const;
  /// False when cuBLASLt refuses it.
  bool try_run(Stream& stream, const GemmOperands& at, const GemmAlgorithm& algorithm) const;

 private:
  struct Descriptors;

  GemmKey key_;
  std::unique_ptr<Descriptors> descriptors_;
  std::optional<GemmAlgorithm> chosen_;
};

/// Of each stream that runs products.
inline constexpr int64_t kGemmWorkspaceBytes = matmul_scratch_bytes();

}  // namespace lckv::ops::cuda
