#include <omp.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cpu/thread_scratch.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv::ops {

void set_cpu_threads(int threads) {
  if (threads < 1) throw ConfigError(format("CPU threads must be at least 1, got {}", threads));
  omp_set_num_threads(threads);
}

int cpu_threads() { return omp_get_max_threads(); }

int64_t cpu_scratch_bytes() { return cpu::thread_scratch_bytes(); }

}  // namespace lckv::ops
