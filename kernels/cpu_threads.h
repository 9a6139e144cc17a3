#pragma once

#include <cstdint>

namespace lckv::ops {

/// Number of threads the CPU kernels use from now on, in every op. Results are bit-equal for equal
/// numbers.
void set_cpu_threads(int threads);
int cpu_threads();

/// Memory that the kernels' scratch holds now, over all threads: what no plan of tensors knows.
int64_t cpu_scratch_bytes();

/// Whether matmul multiplies bf16 natively here (AMX): asks oneDNN which implementation it gives.
/// `precision: auto` takes bf16 then.
bool cpu_has_fast_bf16();

}  // namespace lckv::ops
