#include "lckv/kernels/cpu/onednn_gemm.h"

#include <functional>
#include <unordered_map>

#include <omp.h>

#include "lckv/kernels/cpu/bf16_widened_gemm.h"
#include "lckv/kernels/cpu/onednn_primitive.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv::ops {
namespace cpu {
namespace {

struct PreparedKey {
  GemmShape shape;
  int threads;
  bool operator==(const PreparedKey&) const = default;
};

struct PreparedKeyHash {
  size_t operator()(const PreparedKey& key) const {
    const GemmShape& s = key.shape;
    uint64_t hash = 0;
    for (const int64_t word :
         {s.m, s.n, s.k, s.a_row_stride, s.a_col_stride, s.b_row_stride, s.b_col_stride,
          s.c_row_stride, s.residual_row_stride, int64_t{key.threads}, static_cast<int64_t>(s.in),
          static_cast<int64_t>(s.out), int64_t{s.accumulate}, int64_t{s.caller_only}}) {
      hash = (hash ^ static_cast<uint64_t>(word)) * 0x9E3779B97F4A7C15u;
      hash ^= hash >> 29;
    }
    return hash;
  }
};

// Prepared shapes of this thread: no lock on the way to a product. oneDNN keeps the generated code
// once for all threads.
GemmPrimitive& prepared(const GemmShape& shape) {
  constexpr size_t kMaxPrepared =
      1024;  // evaluation on texts of all lengths must not grow without end
  static thread_local std::unordered_map<PreparedKey, GemmPrimitive, PreparedKeyHash> known;
  const PreparedKey key{shape, shape.caller_only ? 1 : omp_get_max_threads()};
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  if (known.size() >= kMaxPrepared) known.clear();
  return known.emplace(key, GemmPrimitive(shape)).first->second;
}

// oneDNN 2.6's AMX kernel for K = 63 (and no other K: it is the one whose tail rounds up to a whole
// block of 64) leaves the tile registers of all threads but the first unconfigured, and those die
// of SIGILL.
constexpr int64_t kBrokenK = 63;

bool ask_for_amx() {
  const GemmShape probe{.in = DType::kBF16,
                        .out = DType::kF32,
                        .m = 64,
                        .n = 64,
                        .k = 64,
                        .a_row_stride = 64,
                        .b_row_stride = 64,
                        .c_row_stride = 64,
                        .caller_only = true};
  try {
    return GemmPrimitive(probe).implementation().find("amx") != std::string::npos;
  } catch (const Error&) {
    return false;  // no bf16 kernel at all for this instruction set
  }
}

}  // namespace

bool bf16_gemm_is_native() {
  static const bool native = ask_for_amx();
  return native;
}

void gemm(const GemmShape& shape, void* c, const void* a, const void* b, const void* residual) {
  if (shape.in == DType::kBF16 && (!bf16_gemm_is_native() || shape.k == kBrokenK)) {
    bf16_widened_gemm(shape, c, a, b, residual);
  } else {
    prepared(shape).run(c, a, b, residual);
  }
}

}  // namespace cpu

bool cpu_has_fast_bf16() { return cpu::bf16_gemm_is_native(); }

}  // namespace lckv::ops
