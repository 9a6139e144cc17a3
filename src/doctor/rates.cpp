#include "lckv/doctor/rates.h"

#include <algorithm>
#include <cstring>
#include <functional>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/doctor/rate_text.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/memory_rate.h"

namespace lckv::doctor {

namespace {

/// What `measure` gives, or the line that says that the device failed.
Finding measured(const std::string& what, const char* unit, std::string (*text)(double),
                 const std::function<double()>& measure) {
  try {
    const double rate = measure();
    return ok("rates", what, text(rate), {{unit, rate}});
  } catch (const CudaError& error) {
    return needed("rates", what, split(error.what(), '\n')[0],
                  "see the lines of the GPU above; set train.device=cpu to train without");
  }
}

Finding matmul(Device device, DType dtype, double budget_s) {
  return measured(format("{} matmul {}", name(device), precision_name(dtype)), "flops_per_s",
                  flops_text, [&] { return measure_matmul(device, dtype, budget_s); });
}

Finding moved(Device device, const std::string& what, double (*measure)(Device, double),
              double budget_s) {
  return measured(format("{} {}", name(device), what), "bytes_per_s", bytes_text,
                  [&] { return measure(device, budget_s); });
}

/// Pinned host memory for its own life.
class Pinned {
 public:
  explicit Pinned(int64_t bytes) : memory_(cuda::allocate_pinned(bytes)) {}
  ~Pinned() { cuda::release_pinned(memory_); }
  Pinned(const Pinned&) = delete;
  Pinned& operator=(const Pinned&) = delete;
  void* get() const { return memory_; }

 private:
  void* memory_;
};

}  // namespace

std::string precision_name(DType dtype) {
  if (dtype == DType::kF32) return "fp32";
  return dtype == DType::kF64 ? "fp64" : std::string(name(dtype));
}

double measure_matmul(Device device, DType dtype, double budget_s) {
  using model::Gemm;
  using model::GemmKind;
  const bool gpu = device.kind == DeviceKind::kCuda;
  const int64_t rows = gpu ? 16384 : 512, out = gpu ? 4096 : 1024, in = gpu ? 4096 : 1024;
  std::vector<Gemm> gemms;
  for (const GemmKind kind :
       {GemmKind::kForward, GemmKind::kBackwardInput, GemmKind::kBackwardWeight}) {
    gemms.push_back(
        {.kind = kind, .rows = rows, .out = out, .in = in, .count = 1, .f32_result = false});
  }
  return train::measure_gemm_rate(gemms, dtype, budget_s, device).flops_per_s;
}

double measure_memory(Device device, double budget_s) {
  Stream stream(device);
  const int64_t bytes = int64_t{1} << (device.kind == DeviceKind::kCuda ? 30 : 26);
  return train::measure_memory_rate(stream, bytes, budget_s / 3);
}

double measure_upload(Device device, double budget_s) {
  constexpr int64_t kBytes = int64_t{128} << 20;
  const Pinned host(kBytes);
  std::memset(host.get(), 1, static_cast<size_t>(kBytes));
  const Buffer there(DType::kF32, {kBytes / 4}, device);
  Stream stream(device);
  double best_s = 0;
  const Stopwatch total;
  for (int run = 0; run < 3 || total.elapsed_s() < budget_s; ++run) {
    const Stopwatch watch;
    cuda::copy(stream.native(), there.raw(), host.get(), kBytes);
    stream.synchronize();
    best_s = best_s == 0 ? watch.elapsed_s() : std::min(best_s, watch.elapsed_s());
  }
  return double(kBytes) / best_s;
}

std::vector<Finding> measure_rates(double budget_s) {
  const Device cpu, gpu{DeviceKind::kCuda, 0};
  const bool has_gpu = cuda::device_count() > 0;
  const double each_s = budget_s / (has_gpu ? 7 : 3);
  std::vector<Finding> findings = {matmul(cpu, DType::kF32, each_s),
                                   matmul(cpu, DType::kBF16, each_s),
                                   moved(cpu, "memory", measure_memory, each_s)};
  if (!has_gpu) return findings;
  findings.push_back(matmul(gpu, DType::kF32, each_s));
  findings.push_back(matmul(gpu, DType::kBF16, each_s));
  findings.push_back(moved(gpu, "memory", measure_memory, each_s));
  findings.push_back(moved(gpu, "from host", measure_upload, each_s));
  return findings;
}

}  // namespace lckv::doctor
