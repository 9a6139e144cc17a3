#include "lckv/train/bench_ops.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/kernels/table.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/op_operands.h"
#include "lckv/train/repeated_runs.h"

namespace lckv::train {

namespace {

/// Operands that are together larger than caches are: 60 MB on an H200.
constexpr int64_t kRotatedBytes = int64_t{192} << 20;
constexpr int64_t kMostSets = 128;

int64_t sets_of(const OpCase& op_case) {
  const int64_t bytes = std::max<int64_t>(op_case.operand_bytes(), 1);
  return std::clamp<int64_t>((kRotatedBytes + bytes - 1) / bytes, 1, kMostSets);
}

class OpsBench {
 public:
  explicit OpsBench(const BenchOpsSettings& settings)
      : settings_(settings), stream_(settings.device), maker_(settings.device) {}

  OpRate measure(const OpCase& op_case) {
    const int64_t sets = sets_of(op_case);
    const RunTimes times = time(op_case, sets);
    return {.op = op_case.op,
            .part = op_case.part,
            .shape = op_case.shape,
            .moved_bytes = op_case.moved_bytes(),
            .flops = op_case.flops,
            .sets = sets,
            .runs = times.runs,
            .median_s = times.median_s,
            .min_s = times.min_s};
  }

  void measure_ceilings(BenchOpsResult& result) {
    result.copy_bytes_per_s = std::max(result.copy_bytes_per_s, copy_bytes_per_s());
    result.product_flops_per_s = std::max(result.product_flops_per_s, product_flops_per_s());
  }

 private:
  RunTimes time(const OpCase& op_case, int64_t sets) {
    std::vector<OperandSet> operands;
    for (int64_t set = 0; set < sets; ++set) operands.emplace_back(maker_, op_case, set);
    RepeatedRuns runs(stream_, sets, [&](Stream& stream, int64_t set) {
      op_case.run(stream, operands[static_cast<size_t>(set)].views);
    });
    const RunTimes times = runs.measure(settings_.budget_s);
    stream_.synchronize();
    return times;
  }

  double copy_bytes_per_s() {
    const Shape elems{settings_.copy_bytes / size_bytes(DType::kF32)};
    OpCase copy;
    copy.operands = {{.shape = elems, .access = Access::kWritten}, {.shape = elems}};
    double rate = 0;
    for (const auto& run : {+[](Stream&s, OpCase::Operands v) { transfer(s, v[0], v[1]); },
                            +[](Stream&s, OpCase::Operands v) { ops::copy(s, v[0], v[1]); }}) {
      copy.run = run;
      rate = std::max(rate, double(copy.moved_bytes()) / time(copy, 1).median_s);
    }
    return rate;
  }

  double product_flops_per_s() {
    const int64_t n = settings_.product_rows;
    const OpOperand matrix{.dtype = settings_.dtype, .shape = {n, n}};
    OpCase product;
    product.operands = {matrix, matrix, matrix};
    product.run = [](Stream& s, OpCase::Operands v) { ops::matmul_forward(s, v[0], v[1], v[2]); };
    return 2.0 * double(n) * double(n) * double(n) / time(product, 1).median_s;
  }

  const BenchOpsSettings settings_;
  Stream stream_;
  OperandMaker maker_;
};

BenchOpsSettings with_defaults(BenchOpsSettings settings) {
  const bool is_gpu = settings.device.kind == DeviceKind::kCuda;
  if (settings.copy_bytes == 0) settings.copy_bytes = int64_t{is_gpu ? 1024 : 64} << 20;
  if (settings.product_rows == 0) settings.product_rows = is_gpu ? 8192 : 1024;
  return settings;
}

void describe_machine(BenchOpsResult& result, Device device) {
  result.backend = ops::kernels(device).name;
  result.threads = ops::cpu_threads();
  if (device.kind == DeviceKind::kCpu) return;
  const cuda::DeviceFacts facts = cuda::device_facts(device.index);
  result.gpu = facts.name;
  result.driver = facts.driver;
  result.runtime = facts.runtime;
}

}  // namespace

model::Dims default_bench_dims(Device device) {
  if (device.kind == DeviceKind::kCuda) {
    return {
        .B = 8, .T = 2048, .V = 32000, .L = 22, .C = 2048, .F = 5632, .Hq = 32, .Hkv = 4, .D = 64};
  }
  return {.B = 2, .T = 256, .V = 4000, .L = 4, .C = 256, .F = 704, .Hq = 4, .Hkv = 2, .D = 64};
}

model::Dims with_rows(const model::Dims& dims, int64_t rows) {
  model::Dims result = dims;
  result.T = std::min(dims.T, rows);
  if (rows < 1 || rows % result.T != 0) {
    throw Error(format("bench ops: --rows {} is not a multiple of the sequences' {} tokens", rows,
                       result.T),
                ExitCode::kUsage);
  }
  result.B = rows / result.T;
  return result;
}

double BenchOpsResult::share(const OpRate& rate) const {
  return rate.flops > 0 ? rate.flops_per_s() / product_flops_per_s
                        : rate.bytes_per_s() / copy_bytes_per_s;
}

BenchOpsResult bench_ops(const BenchOpsSettings& settings) {
  BenchOpsResult result;
  result.settings = with_defaults(settings);
  describe_machine(result, settings.device);
  OpsBench bench(result.settings);
  bench.measure_ceilings(result);
  for (const OpCase& op_case : list_op_cases(settings.dims, settings.dtype, settings.device)) {
    result.rates.push_back(bench.measure(op_case));
  }
  bench.measure_ceilings(result);
  return result;
}

}  // namespace lckv::train
