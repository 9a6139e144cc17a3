#pragma once

#include <cstddef>
#include <functional>

namespace lckv::infer {

/// work(row, thread) for rows 0 .. count-1, spread over threads 0 .. threads-1, of which the
/// caller's is one; returns when all are done. Throws what the lowest failing row threw.
void for_each_row(size_t count, size_t threads, const std::function<void(size_t, size_t)>& work);

}  // namespace lckv::infer
