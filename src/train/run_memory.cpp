#include "lckv/train/run_memory.h"

#include <filesystem>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/model/flops.h"
#include "lckv/model/memory_report.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/precision.h"

namespace lckv::train {

namespace {

constexpr double kStartUpGemm_s = 0.5;

}  // namespace

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

void choose_kernels(const config::RunConfig& config, const std::string& folder, Device device,
                    int rank) {
  if (config.train.attention == config::Attention::kCudnn) require_cudnn_fits(config, device);
  if (device.kind == DeviceKind::kCpu) return;
  ops::set_attention_backend(config.train.attention == config::Attention::kCudnn
                                 ? ops::AttentionBackend::kCudnn
                                 : ops::AttentionBackend::kOwn,
                             config.train.deterministic);
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

RunMemory::RunMemory(const config::RunConfig& config, DType dtype, const comm::Communicators& ranks,
                     Device device)
    : config_(config),
      dtype_(dtype),
      ranks_(ranks),
      plan_(plan_run_memory(config, dtype, ranks, device)) {
  log_info(format("memory planned before allocation{}:\n{}",
                  ranks.grid.ranks() > 1 ? ", by each rank" : "",
                  model::to_text(model::memory_report(plan_))));
}

void RunMemory::allocate(Stream& stream) {
  Arena paper = Arena::planning(plan_.device());
  const RunObjects planned(paper, config_, dtype_, ranks_);
  const model::Model& network = planned.trainer.network();
  rates_.executed_flops_per_token = model::executed_flops(network.plan(), network.dims()).total();
  rates_.useful_flops_per_token = model::useful_flops(network.dims()).total();
  rates_.tokens_per_step =
      static_cast<double>(config_.train.sequences_per_step * config_.data.sequence_tokens);
  const GemmRate rate = measure_gemm_rate(
      model::list_gemms(network.plan(), network.dims(), network.head_chunk_rows(), true), dtype_,
      kStartUpGemm_s, plan_.device());
  rates_.gemm_flops_per_s = rate.flops_per_s * ranks_.grid.ranks();
  log_info(format("matmul rate at this model's shapes: {}FLOP/s{} ({:.1f} s to measure)",
                  human_count(rate.flops_per_s), ranks_.grid.ranks() > 1 ? " on rank 0" : "",
                  rate.measured_s));
  arena_.emplace(Arena::allocate(plan_));
  objects_.emplace(*arena_, config_, dtype_, ranks_);
  objects_->trainer.prepare(stream);
  if (objects_->pinned_bytes() > 0) {
    log_info(format("pinned host memory for the snapshot of asynchronous saves: {}",
                    human_bytes(double(objects_->pinned_bytes()))));
  }
  if (objects_->scorer) objects_->scorer->prepare(stream);
}

}  // namespace lckv::train
