#include "lckv/train/run_memory.h"

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/model/flops.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/run_scratch.h"

namespace lckv::train {

namespace {

constexpr double kStartUpGemm_s = 0.5;

}  // namespace

RunMemory::RunMemory(const config::RunConfig& config, DType dtype, const comm::Communicators& ranks,
                     Device device)
    : config_(config),
      dtype_(dtype),
      ranks_(ranks),
      plan_(plan_run_memory(config, dtype, ranks, device)),
      scratch_(plan_run_scratch(config, dtype, ranks, device)) {
  log_info(format("memory planned before allocation{}:\n{}",
                  ranks.grid.ranks() > 1 ? ", by each rank" : "",
                  model::to_text(model::memory_report(plan_, scratch_))));
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
  if (objects_->evaluation) objects_->evaluation->prepare(stream);
}

}  // namespace lckv::train
