#pragma once

#include "lckv/tensor/stream.h"

namespace lckv::ops::cuda {

using lckv::ScratchUse;

/// See Stream::scratch.
inline void* scratch(const Stream& stream, ScratchUse use, int64_t bytes) {
  return stream.scratch(use, bytes);
}

}  // namespace lckv::ops::cuda
