#pragma once

#include <memory>
#include <string>

#include "lckv/kernels/cpu/onednn_gemm.h"

namespace lckv::ops::cpu {

/// One thread's handle on one prepared shape: oneDNN's primitive (the code behind it is shared by
/// all threads) with argument slots that only this thread sets.
class GemmPrimitive {
 public:
  /// Prepared for as many threads as the shape and OpenMP's setting say. Throws InternalError when
  /// oneDNN refuses.
  explicit GemmPrimitive(const GemmShape& shape);
  ~GemmPrimitive();
  GemmPrimitive(GemmPrimitive&&) noexcept;

  void run(void* c, const void* a, const void* b, const void* residual);

  /// oneDNN's name of the chosen kernel, such as "brg:avx512_core_amx_bf16".
  std::string implementation() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lckv::ops::cpu
