#pragma once

#include <string>
#include <vector>

#include "lckv/model/dims.h"
#include "lckv/train/op_cases.h"

namespace lckv::train {

struct BenchOpsSettings {
  model::Dims dims;
  DType dtype = DType::kF32;
  Device device;
  double budget_s = 0.2;  // of timed runs, for each op and shape
  // The two ceilings: a copy of so many bytes, a product of square matrices of so many rows; 0:
  // 1 GiB and 8192 on a GPU, 64 MiB and 1024 on a CPU.
  int64_t copy_bytes = 0;
  int64_t product_rows = 0;
};

/// TinyLlama's on a GPU; on a CPU a model whose ops take milliseconds.
model::Dims default_bench_dims(Device device);

/// As many rows instead: whole sequences of T tokens, or one shorter sequence. Throws Error (exit
/// code kUsage) when T does not divide them.
model::Dims with_rows(const model::Dims& dims, int64_t rows);

/// An op of one shape.
struct OpRate {
  std::string op, part, shape;  // of its OpCase
  int64_t moved_bytes = 0;
  double flops = 0;  // 0: limited by the bytes
  int64_t sets = 0;  // of operands that the runs went through in turn
  int64_t runs = 0;
  double median_s = 0, min_s = 0;  // of one run

  double bytes_per_s() const { return double(moved_bytes) / median_s; }
  double flops_per_s() const { return flops / median_s; }
};

/// What `lckv bench ops` measures.
struct BenchOpsResult {
  BenchOpsSettings settings;
  std::string backend;          // "cpu avx512", "cuda"
  std::string gpu;              // its name; "" on a CPU
  int driver = 0, runtime = 0;  // of CUDA: 13000: 13.0
  int threads = 0;              // of the CPU's kernels
  // Read and written, by the faster of a memory copy and ops::copy. A CPU also reads what it is
  // about to overwrite, which is not counted: updates in place may exceed this ceiling there.
  double copy_bytes_per_s = 0;
  double product_flops_per_s = 0;
  std::vector<OpRate> rates;

  /// Of the ceiling that the op is counted by: FLOPs where it has some, else bytes.
  double share(const OpRate& rate) const;
};

/// Runs every op on random operands, again and again through several sets of them, so that no cache
/// holds what a run reads; times by the device's clock on a GPU, where runs are queued as a graph.
/// Ceilings are measured before and after, the higher one counts. Not for concurrent callers.
BenchOpsResult bench_ops(const BenchOpsSettings& settings);

std::string to_text(const BenchOpsResult& result);
std::string to_json(const BenchOpsResult& result);

}  // namespace lckv::train
