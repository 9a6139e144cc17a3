#include "lckv/kernels/cpu/thread_scratch.h"

#include <gtest/gtest.h>

#include "attention_problem.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv {
namespace {

TEST(ThreadScratch, KeepsTheLargestRequestAndItsAlignment) {
  const int64_t before = ops::cpu::thread_scratch_bytes();
  {
    ops::cpu::ThreadScratch scratch;
    void* const memory = scratch.reserve(1000);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 64, 0u);
    EXPECT_EQ(scratch.reserve(10), memory);
    EXPECT_EQ(ops::cpu::thread_scratch_bytes(), before + 1024);
    EXPECT_THROW(scratch.reserve(int64_t{1} << 60), IoError);
    EXPECT_EQ(ops::cpu::thread_scratch_bytes(), before);
  }
  EXPECT_EQ(ops::cpu::thread_scratch_bytes(), before);
}

TEST(ThreadScratch, StopsGrowingAfterTheFirstCall) {
  const test::AttentionProblem problem({.B = 2, .Tq = 70, .Tk = 70, .Hq = 2, .Hkv = 1},
                                       DType::kF32);
  const int before = ops::cpu_threads();
  ops::set_cpu_threads(1);
  problem.forward();
  problem.backward();
  const int64_t held = ops::cpu::thread_scratch_bytes();
  EXPECT_GT(held, 0);
  problem.forward();
  problem.backward();
  EXPECT_EQ(ops::cpu::thread_scratch_bytes(), held);
  ops::set_cpu_threads(before);
}

}  // namespace
}  // namespace lckv
