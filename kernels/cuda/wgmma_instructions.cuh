#pragma once

#include <cstdint>

#include <cuda_bf16.h>

/// Instructions of sm_90a alone: products by whole warpgroups, barriers in shared memory. Kernels
/// made of them have a body only where LCKV_WGMMA is defined; for other targets it is empty.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define LCKV_WGMMA
#endif

namespace lckv::ops::cuda {

// ---- products of a warpgroup: 4 warps from a multiple of 4 on, warp w owns rows 16 w ..

/// Before the first product after its registers were written.
__device__ __forceinline__ void wgmma_fence() {
  asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory");
}
/// Closes a group of products: those since the last one.
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory");
}
/// Waits until at most kPending groups, the last ones, are unfinished.
template <int kPending>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(kPending) : "memory");
}
/// Keeps the compiler from reading results before the wait above this.
template <int kN8>
__device__ __forceinline__ void settle(float (&c)[kN8][4]) {
#pragma unroll
  for (int n = 0; n < kN8; ++n) {
    asm volatile("" : "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])::"memory");
  }
}

/// Describes a matrix of bf16 in rows of 128 bytes, chunk c (16 bytes) of row r at place
/// c ^ (r & 7): what PTX calls the 128-byte swizzle. `first`, its first row's address, is a
/// multiple of 1024. A part that begins n bytes further on, 32 for every 16 columns and 1024 for
/// every eight rows, has the descriptor plus n / 16.
__device__ __forceinline__ uint64_t matrix_descriptor(uint32_t first) {
  constexpr uint64_t kEightRows = 1024 >> 4, kSwizzle128 = 1;
  return first >> 4 | uint64_t{1} << 16 | kEightRows << 32 | kSwizzle128 << 62;
}

// c [64, kN] = a [64, 16] b [16, kN], or += when `add`. A warp holds of its 16 rows what mma.sync
// would give it, of every eight columns four numbers. The rows of b's matrix are columns of b, or
// rows of b when kAcross.
#define LCKV_FOUR(n) "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3])
#define LCKV_32(n)                                                                      \
  LCKV_FOUR(n), LCKV_FOUR(n + 1), LCKV_FOUR(n + 2), LCKV_FOUR(n + 3), LCKV_FOUR(n + 4), \
      LCKV_FOUR(n + 5), LCKV_FOUR(n + 6), LCKV_FOUR(n + 7)
#define LCKV_REGISTERS_32                                                                 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, " \
  "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define LCKV_REGISTERS_64                                                              \
  LCKV_REGISTERS_32                                                                    \
  ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"

/// kN = 64, a from registers: as those of mma.sync.
template <bool kAcross>
__device__ __forceinline__ void wgmma(float (&c)[8][4], const uint32_t (&a)[4], uint64_t b,
                                      bool add) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %37, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" LCKV_REGISTERS_32
      "}, {%32, %33, %34, %35}, %36, add, 1, 1, %38;\n"
      "}\n"
      : LCKV_32(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(static_cast<int>(add)),
        "n"(static_cast<int>(kAcross)));
}
/// kN = 64, both from shared memory.
template <bool kAcross>
__device__ __forceinline__ void wgmma(float (&c)[8][4], uint64_t a, uint64_t b, bool add) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %34, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {" LCKV_REGISTERS_32
      "}, %32, %33, add, 1, 1, 0, %35;\n"
      "}\n"
      : LCKV_32(0)
      : "l"(a), "l"(b), "r"(static_cast<int>(add)), "n"(static_cast<int>(kAcross)));
}
/// kN = 128, both from shared memory.
template <bool kAcross>
__device__ __forceinline__ void wgmma(float (&c)[16][4], uint64_t a, uint64_t b, bool add) {
  asm volatile(
      "{\n"
      ".reg .pred add;\n"
      "setp.ne.b32 add, %66, 0;\n"
      "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {" LCKV_REGISTERS_64
      "}, %64, %65, add, 1, 1, 0, %67;\n"
      "}\n"
      : LCKV_32(0), LCKV_32(8)
      : "l"(a), "l"(b), "r"(static_cast<int>(add)), "n"(static_cast<int>(kAcross)));
}
#undef LCKV_REGISTERS_64
#undef LCKV_REGISTERS_32
#undef LCKV_32
#undef LCKV_FOUR

/// Registers of every thread of this warpgroup from here on.
template <int kRegisters>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}
template <int kRegisters>
__device__ __forceinline__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(kRegisters));
}

// ---- barriers in shared memory

__device__ __forceinline__ void barrier_init(uint32_t barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(arrivals)
               : "memory");
}
__device__ __forceinline__ void barrier_arrive(uint32_t barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];\n" ::"r"(barrier) : "memory");
}
/// Returns when the phase of this parity (0 the first) is over; at once for parity 1 at first.
__device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity) {
  uint32_t over = 0;
  do {
    asm volatile(
        "{\n"
        ".reg .pred over;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 over, [%1], %2;\n"
        "selp.b32 %0, 1, 0, over;\n"
        "}\n"
        : "=r"(over)
        : "r"(barrier), "r"(parity)
        : "memory");
  } while (over == 0);
}

/// What this thread wrote to shared memory, copies it has waited for included, before whatever
/// wgmma reads there after the next barrier.
__device__ __forceinline__ void fence_for_wgmma() {
  asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
}
/// Closes a group of this thread's copies: those since the last one.
__device__ __forceinline__ void cp_async_commit() {
  asm volatile("cp.async.commit_group;\n" ::: "memory");
}
/// Waits until at most kPending groups, the last ones, are unfinished.
template <int kPending>
__device__ __forceinline__ void cp_async_wait_groups() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
}

}  // namespace lckv::ops::cuda
