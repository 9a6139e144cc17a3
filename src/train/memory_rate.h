#pragma once

#include <cstdint>

#include "lckv/tensor/stream.h"

namespace lckv::train {

/// Bytes per second that the stream's device moves, read and written: the fastest of copying and
/// reading `bytes` of its memory, again and again for about `budget_s` each.
double measure_memory_rate(Stream& stream, int64_t bytes, double budget_s);

}  // namespace lckv::train
