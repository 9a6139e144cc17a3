#include "lckv/kernels/cuda/gemm.h"

#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <cuda_runtime_api.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cuda/cublaslt_library.h"
#include "lckv/kernels/cuda/gemm_plan.h"
#include "lckv/kernels/cuda/gemm_timing.h"
#include "lckv/kernels/gemm_algorithm_file.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv::ops {

namespace cuda {

namespace {

constexpr int kTimedProposals = 8;
constexpr size_t kMostTimed = 1024;  // see gemm_tuning.h
constexpr size_t kMostPrepared =
    4096;  // evaluation on texts of all lengths must not grow without end

bool is_recorded(const Stream& stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaError_t asked =
      cudaStreamIsCapturing(static_cast<cudaStream_t>(stream.native()), &status);
  if (asked != cudaSuccess) {
    throw CudaError(format("cudaStreamIsCapturing: {}", cudaGetErrorString(asked)));
  }
  return status != cudaStreamCaptureStatusNone;
}

/// The product's line in the file: of this GPU and this cuBLAS.
std::string product_name(const GemmKey& key, int device) {
  return format("{}, cuBLASLt {}: {}", lckv::cuda::device_facts(device).name,
                cublaslt().get_version(), to_text(key));
}

class Gemms {
 public:
  void tune(const std::filesystem::path& file) {
    const std::lock_guard lock(mutex_);
    file_.reset();
    if (!file.empty()) file_.emplace(file);
  }

  std::shared_ptr<const GemmPlan> prepared(Stream& stream, const GemmKey& key,
                                           const GemmOperands& at) {
    const std::lock_guard lock(mutex_);
    Plans& plans = of_devices_[stream.device().index];
    const auto found = plans.find(key);
    if (found != plans.end()) return found->second;
    if (plans.size() >= kMostPrepared) plans.clear();
    return plans.emplace(key, prepare(stream, key, at)).first->second;
  }

 private:
  using Plans = std::unordered_map<GemmKey, std::shared_ptr<const GemmPlan>, GemmKeyHash>;

  std::shared_ptr<GemmPlan> prepare(Stream& stream, const GemmKey& key, const GemmOperands& at) {
    auto plan = std::make_shared<GemmPlan>(key, stream.device().index);
    std::optional<GemmAlgorithm> algorithm;
    if (file_) algorithm = timed(*plan, stream, key, at);
    if (!algorithm) {
      const auto proposals = plan->proposals(1);
      if (!proposals.empty()) algorithm = proposals.front();
    }
    plan->choose(algorithm);
    return plan;
  }

  /// From the file, or timed now and written there; none when it is not to be timed.
  std::optional<GemmAlgorithm> timed(const GemmPlan& plan, Stream& stream, const GemmKey& key,
                                     const GemmOperands& at) {
    const std::string product = product_name(key, stream.device().index);
    if (const auto algorithm = known(plan, product)) return algorithm;
    if (is_recorded(stream) || file_->size() >= kMostTimed) return std::nullopt;
    const auto fastest = fastest_of(plan, plan.proposals(kTimedProposals), stream, key, at);
    if (!fastest) return std::nullopt;
    file_->add(product, *fastest);
    return known(plan, product);  // another process's, where it was first
  }

  /// What the file says.
  std::optional<GemmAlgorithm> known(const GemmPlan& plan, const std::string& product) const {
    const auto found = file_->find(product);
    if (!found || plan.accepts(*found)) return found;
    throw DataError(format("{}: cuBLASLt cannot run the algorithm of {}; delete the line",
                           file_->path().string(), product));
  }

  std::mutex mutex_;
  std::unordered_map<int, Plans> of_devices_;
  std::optional<GemmAlgorithmFile> file_;
};

/// Never destroyed: the driver may be gone by the time static objects are.
Gemms& gemms() {
  static auto* const all = new Gemms;
  return *all;
}

}  // namespace

void gemm(Stream& stream, GemmKey key, const GemmOperands& at) {
  key.alignments = alignments_of(at);
  gemms().prepared(stream, key, at)->run(stream, at);
}

}  // namespace cuda

void set_gemm_tuning(const std::filesystem::path& file) { cuda::gemms().tune(file); }

}  // namespace lckv::ops
