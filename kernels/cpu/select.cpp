#include <cstdlib>
#include <string>

#include "lckv/kernels/table.h"

namespace lckv::ops {

namespace baseline {
const KernelTable& table();
}

#ifdef LCKV_CPU_HAS_X86_VARIANTS
namespace avx2 {
const KernelTable& table();
}
namespace avx512 {
const KernelTable& table();
}

// Feature bits, never the model number: virtual machines report models that they are not.
const KernelTable& cpu_kernels() {
  static const KernelTable& chosen = [&]() -> const KernelTable& {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return avx512::table();
    if (__builtin_cpu_supports("x86-64-v3")) return avx2::table();
    return baseline::table();
  }();
  return chosen;
}
#else
const KernelTable& cpu_kernels() { return baseline::table(); }
#endif

}  // namespace lckv::ops
