#include "lckv/train/bench_comm.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>

#include <nlohmann/json.hpp>

#include "lckv/base/clock.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/tensor/buffer.h"

namespace lckv::train {

namespace {

using comm::CollectiveKind;
using comm::Communicator;
using comm::ReduceOp;

constexpr auto kLabel = "bench";
constexpr int64_t kCopyBytes = int64_t{64} << 20;  // beyond every cache

/// 4 B, 64 B, 1 KiB, 16 KiB, 256 KiB, 1 MiB and on by factors of 4.
std::vector<int64_t> sizes_up_to(int64_t max_bytes) {
  std::vector<int64_t> sizes;
  for (int64_t bytes = 4; bytes <= max_bytes; bytes *= bytes < (256 << 10) ? 16 : 4) {
    sizes.push_back(bytes);
  }
  return sizes;
}

/// Every rank's largest, element by element.
void take_slowest(Communicator& all, std::vector<double>& seconds) {
  Stream stream;
  all.all_reduce(stream, View(seconds.data(), DType::kF64, {static_cast<int64_t>(seconds.size())}),
                 ReduceOp::kMax, kLabel);
}

/// Seconds of the slowest rank of each of `calls` calls, all of which the ranks begin together.
std::vector<double> time_calls(Communicator& all, int64_t calls,
                               const std::function<void()>& call) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < calls; ++i) {
    all.barrier(kLabel);
    const Stopwatch watch;
    call();
    seconds.push_back(watch.elapsed_s());
  }
  take_slowest(all, seconds);
  return seconds;
}

/// Calls for about `budget_s`, sorted: batches of doubling size until the time is up on any rank.
std::vector<double> time_for(Communicator& all, double budget_s,
                             const std::function<void()>& call) {
  constexpr int64_t kWarmupCalls = 3, kMostCalls = 20'000;
  time_calls(all, kWarmupCalls, call);
  std::vector<double> seconds, spent_s = {0};
  const Stopwatch watch;
  for (int64_t batch = 3; spent_s[0] < budget_s && std::ssize(seconds) < kMostCalls;
       batch = std::ssize(seconds)) {
    const std::vector<double> more = time_calls(all, batch, call);
    seconds.insert(seconds.end(), more.begin(), more.end());
    spent_s[0] = watch.elapsed_s();
    take_slowest(all, spent_s);
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

double median(const std::vector<double>& sorted) { return sorted[sorted.size() / 2]; }

/// A memory copy on every rank at the same time.
double measure_copy(Communicator& all, double budget_s) {
  const Buffer from(kCopyBytes), to(kCopyBytes);
  return double(kCopyBytes) / median(time_for(all, budget_s, [&] {
           std::memcpy(to.raw(), from.raw(), static_cast<size_t>(kCopyBytes));
         }));
}

/// A collective to measure; `own` is this rank's part of x where it has one.
struct Case {
  const char* name;
  DType dtype;
  CollectiveKind kind;
  void (*call)(Communicator& all, Stream& stream, const View& x, const View& own);
};

const Case kCases[] = {
    {"all_reduce", DType::kF32, CollectiveKind::kAllReduce,
     [](Communicator& all, Stream& stream, const View& x, const View&) {
       all.all_reduce(stream, x, ReduceOp::kSum, kLabel);
     }},
    {"all_reduce", DType::kBF16, CollectiveKind::kAllReduce,
     [](Communicator& all, Stream& stream, const View& x, const View&) {
       all.all_reduce(stream, x, ReduceOp::kSum, kLabel);
     }},
    {"reduce_scatter", DType::kF32, CollectiveKind::kReduceScatter,
     [](Communicator& all, Stream& stream, const View& x, const View& own) {
       all.reduce_scatter(stream, own, x, kLabel);
     }},
    {"start_reduce_scatter", DType::kF32, CollectiveKind::kReduceScatter,
     [](Communicator& all, Stream& stream, const View& x, const View& own) {
       all.start_reduce_scatter(stream, own, x, kLabel).finish();
     }},
    {"all_gather", DType::kF32, CollectiveKind::kAllGather,
     [](Communicator& all, Stream& stream, const View& x, const View& own) {
       all.all_gather(stream, x, own, kLabel);
     }},
    {"broadcast", DType::kF32, CollectiveKind::kBroadcast,
     [](Communicator& all, Stream& stream, const View& x, const View&) {
       all.broadcast(stream, x, /*root=*/0, kLabel);
     }},
    {"barrier", DType::kF32, CollectiveKind::kBarrier,
     [](Communicator& all, Stream&, const View&, const View&) { all.barrier(kLabel); }},
};

bool divides_x(CollectiveKind kind) {
  return kind == CollectiveKind::kReduceScatter || kind == CollectiveKind::kAllGather;
}

CollectiveRate measure(Communicator& all, const Case& what, const Buffer& memory, int64_t bytes,
                       double budget_s) {
  const int64_t ranks = all.size();
  const int64_t elems = bytes / size_bytes(what.dtype);
  const int64_t part = (elems + ranks - 1) / ranks;
  const View x(memory.raw(), what.dtype, {divides_x(what.kind) ? part * ranks : elems});
  const View own =
      divides_x(what.kind) ? x.slice(0, part * all.rank(), part * (all.rank() + 1)) : View();
  Stream stream;
  const std::vector<double> sorted =
      time_for(all, budget_s, [&] { what.call(all, stream, x, own); });
  return {.collective = what.name,
          .dtype = what.kind == CollectiveKind::kBarrier ? "" : std::string(name(what.dtype)),
          .bytes = x.bytes(),
          .sent_bytes = comm::sent_bytes(what.kind, x.bytes(), all.size()),
          .calls = static_cast<int64_t>(sorted.size()),
          .median_s = median(sorted),
          .min_s = sorted.front()};
}

/// "2 ranks on 1 host (node17)"
std::string describe_ranks(const BenchCommResult& r) {
  const std::set<std::string> hosts(r.hosts.begin(), r.hosts.end());
  return format("{} ranks on {} host{} ({}{})", r.ranks, hosts.size(), hosts.size() == 1 ? "" : "s",
                *hosts.begin(), hosts.size() == 1 ? "" : ", ...");
}

}  // namespace

BenchCommResult bench_collectives(comm::World& world, const BenchCommSettings& settings) {
  if (world.size() == 1) {
    throw Error(
        "bench comm: measures what goes on between ranks, but this process is alone; start some: "
        "mpirun -n 2 lckv bench comm",
        ExitCode::kUsage);
  }
  Communicator& all = world.all();
  BenchCommResult result;
  result.ranks = world.size();
  result.hosts = comm::gather_texts(all, world.host());
  result.copy_bytes = kCopyBytes;
  result.copy_bytes_per_s = measure_copy(all, settings.budget_s);
  const Buffer memory(settings.max_bytes + all.size() * size_bytes(DType::kF32));
  for (const Case& what : kCases) {
    std::vector<int64_t> sizes = {0};
    if (what.kind != CollectiveKind::kBarrier) sizes = sizes_up_to(settings.max_bytes);
    for (const int64_t bytes : sizes) {
      result.rates.push_back(measure(all, what, memory, bytes, settings.budget_s));
    }
  }
  return result;
}

std::string to_text(const BenchCommResult& r) {
  std::string text = format(
      "{}; each copies memory at {:.2f} GB/s ({} at a time, all ranks at once)\n"
      "alg: bytes of the view / median; bus: bytes that a rank has to send / median\n"
      "{:<21} {:<5} {:>10} {:>6} {:>12} {:>12} {:>9} {:>9} {:>9}\n",
      describe_ranks(r), r.copy_bytes_per_s / 1e9, human_bytes(double(r.copy_bytes)), "collective",
      "dtype", "bytes", "calls", "median us", "min us", "alg GB/s", "bus GB/s", "bus/copy");
  for (const CollectiveRate& rate : r.rates) {
    text += format("{:<21} {:<5} {:>10} {:>6} {:>12.2f} {:>12.2f}", rate.collective, rate.dtype,
                   rate.bytes, rate.calls, rate.median_s * 1e6, rate.min_s * 1e6);
    if (rate.bytes > 0) {
      text +=
          format(" {:>9.3f} {:>9.3f} {:>7.1f} %", rate.algorithm_bytes_per_s() / 1e9,
                 rate.bus_bytes_per_s() / 1e9, 100 * rate.bus_bytes_per_s() / r.copy_bytes_per_s);
    }
    text += "\n";
  }
  return text;
}

std::string to_json(const BenchCommResult& r) {
  nlohmann::ordered_json rates = nlohmann::ordered_json::array();
  for (const CollectiveRate& rate : r.rates) {
    rates.push_back({{"collective", rate.collective},
                     {"dtype", rate.dtype},
                     {"bytes", rate.bytes},
                     {"sent_bytes", rate.sent_bytes},
                     {"calls", rate.calls},
                     {"median_s", rate.median_s},
                     {"min_s", rate.min_s},
                     {"algorithm_bytes_per_s", rate.algorithm_bytes_per_s()},
                     {"bus_bytes_per_s", rate.bus_bytes_per_s()}});
  }
  const nlohmann::ordered_json json = {{"ranks", r.ranks},
                                       {"hosts", r.hosts},
                                       {"copy_bytes", r.copy_bytes},
                                       {"copy_bytes_per_s", r.copy_bytes_per_s},
                                       {"collectives", rates}};
  return json.dump(2) + "\n";
}

}  // namespace lckv::train
