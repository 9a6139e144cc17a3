#pragma once

#include "lckv/config/run.h"
#include "lckv/model/memory_report.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

/// What a training run will keep beside its arena: what evaluates it, under the kind "evaluation",
/// and on a GPU, under "scratch", what kernels and collectives take there: workspaces of matrix
/// products and attention, partial sums, sorted tokens, what groups over NCCL stage. The workspace
/// of cuDNN's attention only cuDNN knows, on the GPU itself: there its kernels are compiled, if
/// they were chosen before (kernel_choice.h), else it is named as unknown. Not counted are code and
/// what the libraries take for themselves. On the CPU threads keep a few megabytes that are not
/// counted (ops::cpu_scratch_bytes).
///
///   planned   of these settings, without memory or with
model::ScratchMemory plan_run_scratch(const RunObjects& planned, const config::RunConfig& config,
                                      Device device);
model::ScratchMemory plan_run_scratch(const config::RunConfig& config, DType dtype,
                                      const comm::Communicators& ranks, Device device);

/// Of that, what groups over NCCL stage; they take it when they are made.
int64_t nccl_staging_bytes(const comm::Communicators& ranks);

}  // namespace lckv::train
