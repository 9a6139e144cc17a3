#pragma once

#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/kernels/table.h"
#include "lckv/tensor/stream.h"
#include "lckv/test_support/mirrored_cuda.h"

namespace lckv::ops::baseline {
const KernelTable& table();
}
#if defined(__x86_64__)
namespace lckv::ops::avx2 {
const KernelTable& table();
}
namespace lckv::ops::avx512 {
const KernelTable& table();
}
#endif

namespace lckv::test {

/// The CPU kernels of every instruction set that this machine runs, and those of its GPU.
inline std::vector<const ops::KernelTable*> kernel_tables() {
  std::vector<const ops::KernelTable*> tables = {&ops::baseline::table()};
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("x86-64-v3")) tables.push_back(&ops::avx2::table());
  if (__builtin_cpu_supports("x86-64-v4")) tables.push_back(&ops::avx512::table());
#endif
  if (has_cuda()) tables.push_back(&mirrored_cuda_table());
  return tables;
}

/// One body over all dtypes and instruction sets:
///   class Rope : public test::KernelTest {};
///   INSTANTIATE_TEST_SUITE_P(Kernels, Rope, test::every_dtype_and_table(),
///                            test::kernel_case_name);
class KernelTest : public testing::TestWithParam<std::tuple<DType, const ops::KernelTable*>> {
 protected:
  DType dtype() const { return std::get<0>(GetParam()); }
  DType sum_dtype() const { return accumulator(dtype()); }
  const ops::KernelTable& kernels() const { return *std::get<1>(GetParam()); }

  Stream stream_;
};

inline auto every_dtype_and_table() {
  return testing::Combine(testing::Values(DType::kBF16, DType::kF32, DType::kF64),
                          testing::ValuesIn(kernel_tables()));
}

/// "bf16_cpu_avx512"
inline std::string kernel_case_name(
    const testing::TestParamInfo<std::tuple<DType, const ops::KernelTable*>>& info) {
  std::string text =
      std::string(name(std::get<0>(info.param))) + "_" + std::get<1>(info.param)->name;
  for (char& letter : text) letter = letter == ' ' ? '_' : letter;
  return text;
}

}  // namespace lckv::test
