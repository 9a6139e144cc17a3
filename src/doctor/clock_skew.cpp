#include "lckv/doctor/clock_skew.h"

#include <chrono>

namespace lckv::doctor {

namespace {

/// Of one round trip, on rank 0.
struct RoundTrip {
  int64_t begin_ns = 0, end_ns = 0;
  std::vector<int64_t> clocks_ns;  // by rank, read between the two
  int64_t length_ns() const { return end_ns - begin_ns; }
};

RoundTrip go_round(comm::Communicator& group, const std::function<int64_t()>& now_ns) {
  Stream stream;
  RoundTrip trip;
  trip.clocks_ns.resize(static_cast<size_t>(group.size()));
  int64_t here_ns = 0;
  group.barrier("clock start");  // rank 0 waits for nobody who is late
  trip.begin_ns = now_ns();
  group.broadcast(stream, View(&here_ns, DType::kI64, {1}), /*root=*/0, "clock question");
  here_ns = now_ns();
  group.all_gather(stream, View(trip.clocks_ns.data(), DType::kI64, {group.size()}),
                   View(&here_ns, DType::kI64, {1}), "clock answers");
  trip.end_ns = now_ns();
  return trip;
}

ClockOffset offset_of(const RoundTrip& trip, int64_t clock_ns) {
  const int64_t since_begin_ns = clock_ns - trip.begin_ns;
  return {.offset_s = 1e-9 * (double(since_begin_ns) - 0.5 * double(trip.length_ns())),
          .error_s = 0.5e-9 * double(trip.length_ns())};
}

}  // namespace

int64_t wall_clock_ns() {
  using std::chrono::system_clock;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             system_clock::now().time_since_epoch())
      .count();
}

std::vector<ClockOffset> measure_clock_offsets(comm::Communicator& group, int rounds,
                                               const std::function<int64_t()>& now_ns) {
  RoundTrip fastest = go_round(group, now_ns);
  for (int round = 1; round < rounds; ++round) {
    const RoundTrip trip = go_round(group, now_ns);
    if (trip.length_ns() < fastest.length_ns()) fastest = trip;
  }
  std::vector<ClockOffset> offsets;
  for (const int64_t clock_ns : fastest.clocks_ns) offsets.push_back(offset_of(fastest, clock_ns));
  offsets[0] = {};  // rank 0's own is what the others are measured against
  Stream stream;
  group.broadcast(stream, View(offsets.data(), DType::kF64, {2 * group.size()}), /*root=*/0,
                  "clock offsets");
  return offsets;
}

}  // namespace lckv::doctor
