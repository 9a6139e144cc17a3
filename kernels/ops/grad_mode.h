#pragma once

#include <cstdint>

namespace lckv::ops {

/// What a backward op does with a gradient that may already hold something.
enum class GradMode : uint8_t {
  kOverwrite,   // gradient = new
  kAccumulate,  // gradient += new, in the gradient's own dtype
};

}  // namespace lckv::ops
