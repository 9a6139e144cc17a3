#pragma once

#include <algorithm>

#include <omp.h>

#include "lckv/kernels/cpu/per_isa/kernels.h"

// How the loops of a kernel are cut among the threads: one contiguous range each, a function of the
// number of threads.
LCKV_CPU_BEGIN

/// Below so many elements starting a team costs more than it saves.
inline constexpr int64_t kParallelElems = 16 * 1024;

/// Calls f(begin, end) on every thread with its part of 0..count-1; `elems` is the work of all of
/// them together.
template <class F>
void parallel_ranges(int64_t count, int64_t elems, const F& f) {
#pragma omp parallel if (elems >= kParallelElems)
  {
    const int64_t threads = omp_get_num_threads();
    const int64_t thread = omp_get_thread_num();
    const int64_t begin = count * thread / threads;
    const int64_t end = count * (thread + 1) / threads;
    if (begin < end) f(begin, end);
  }
}

/// The same for the elements of arrays: ranges begin at multiples of 64, so that no two threads
/// write one cache line of an aligned array.
template <class F>
void parallel_elements(int64_t count, const F& f) {
  constexpr int64_t kStep = 64;
  parallel_ranges((count + kStep - 1) / kStep, count, [&](int64_t begin, int64_t end) {
    f(begin * kStep, std::min(end * kStep, count));
  });
}

LCKV_CPU_END
