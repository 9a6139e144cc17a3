#pragma once

#include <exception>

#include "lckv/kernels/cpu/per_isa/kernels.h"

LCKV_CPU_BEGIN

/// Calls f(task) for 0 .. count-1, each on whichever thread is free next: for tasks of unequal
/// length whose results do not depend on the thread. The first exception comes back to the caller
/// after all tasks have ended.
template <class F>
void parallel_tasks(int64_t count, const F& f) {
  std::exception_ptr failure;
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (int64_t task = 0; task < count; ++task) {
    try {
      f(task);
    } catch (...) {
#pragma omp critical(lckv_parallel_tasks_failure)
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

LCKV_CPU_END
