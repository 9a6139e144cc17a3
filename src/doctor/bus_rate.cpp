#include "lckv/doctor/bus_rate.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lckv/base/clock.h"
#include "lckv/tensor/buffer.h"

namespace lckv::doctor {

namespace {

/// Seconds of the slowest rank, in each of `calls` calls that all begin together.
std::vector<double> time_calls(comm::Communicator& group, Stream& stream, const View& x,
                               int64_t calls) {
  std::vector<double> times_s;
  for (int64_t i = 0; i < calls; ++i) {
    group.barrier("bus");
    const Stopwatch watch;
    group.all_reduce(stream, x, comm::ReduceOp::kSum, "bus");
    stream.synchronize();
    times_s.push_back(watch.elapsed_s());
  }
  Stream host;
  group.all_reduce(host, View(times_s.data(), DType::kF64, {std::ssize(times_s)}),
                   comm::ReduceOp::kMax, "bus times");
  return times_s;
}

}  // namespace

double measure_bus(comm::Communicator& group, Device device, double budget_s) {
  if (group.size() == 1) return 0;
  constexpr int64_t kMostCalls = 200;
  const int64_t bytes = int64_t{1} << (device.kind == DeviceKind::kCuda ? 26 : 24);
  const Buffer memory(DType::kF32, {bytes / 4}, device);
  Stream stream(device);
  const double once_s = time_calls(group, stream, memory.view(), /*calls=*/2).back();
  const int64_t calls =
      std::clamp<int64_t>(std::llround(budget_s / std::max(once_s, 1e-6)), 3, kMostCalls);
  std::vector<double> times_s = time_calls(group, stream, memory.view(), calls);
  std::sort(times_s.begin(), times_s.end());
  return double(comm::sent_bytes(comm::CollectiveKind::kAllReduce, bytes, group.size())) /
         times_s[times_s.size() / 2];
}

}  // namespace lckv::doctor
