#include "lckv/train/kernel_choice.h"

#include <filesystem>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/train/precision.h"

namespace lckv::train {

namespace {

/// Refused rather than run on other kernels than the ones that were asked for.
void require_cudnn_fits(const config::RunConfig& config, Device device) {
  const auto refuse = [](const std::string& why) {
    throw ConfigError("train.attention is cudnn, which " + why + "; expected own");
  };
  if (device.kind == DeviceKind::kCpu) refuse("needs a GPU, and this run computes on the CPU");
  if (config.data.document_mask) refuse("knows no document mask (data.document_mask is true)");
  if (resolve_precision(config.train.precision, device) != DType::kBF16) {
    refuse("computes in bf16 alone (train.precision is another)");
  }
}

}  // namespace

void choose_attention(const config::RunConfig& config, Device device) {
  const bool is_cudnn = config.train.attention == config::Attention::kCudnn;
  if (is_cudnn) require_cudnn_fits(config, device);
  if (device.kind == DeviceKind::kCpu) return;
  ops::set_attention_backend(is_cudnn ? ops::AttentionBackend::kCudnn : ops::AttentionBackend::kOwn,
                             config.train.deterministic);
}

void choose_kernels(const config::RunConfig& config, const std::string& folder, Device device,
                    int rank) {
  choose_attention(config, device);
  if (device.kind == DeviceKind::kCpu) return;
  std::filesystem::path file = config.train.matmul_algorithms;
  if (file.empty() && !folder.empty()) file = std::filesystem::path(folder) / "matmul_algorithms";
  if (file.empty()) return;
  if (rank > 0) file += format(".{}", rank);
  try {
    ops::set_gemm_tuning(file);
  } catch (const DataError& error) {
    if (!config.train.matmul_algorithms.empty()) throw;
    // Ours, and no part of the training: cut off when the machine went down.
    log_warning(format("{}: it is made anew", error.what()));
    std::filesystem::remove(file);
    ops::set_gemm_tuning(file);
  }
}

}  // namespace lckv::train
