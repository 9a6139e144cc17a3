#include "lckv/comm/mpi_transport.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/rank_order.h"

namespace lckv::comm {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSmallestSegmentBytes = int64_t{16} << 10;
constexpr int kKinds = 8;         // tags tell kinds apart: ranks that run different ones wait
constexpr int64_t kCalls = 4096;  // instead of mixing data; every MPI has tags up to 32767

int tag_of(CollectiveKind kind, int64_t sequence) {
  return static_cast<int>(sequence % kCalls) * kKinds + static_cast<int>(kind);
}

std::byte* at(void* bytes, int64_t offset) { return static_cast<std::byte*>(bytes) + offset; }

/// A call under way, in the log.
class Logged {
 public:
  Logged(CollectiveSlot& slot, const Collective& call, int64_t number) : slot_(slot) {
    slot_.begin(call, number);
  }
  ~Logged() { slot_.end(); }
  Logged(const Logged&) = delete;
  Logged& operator=(const Logged&) = delete;

 private:
  CollectiveSlot& slot_;
};

}  // namespace

/// `elems` cut into one part per rank; the first elems % size parts have one more.
struct MpiTransport::Parts {
  int64_t elems;
  int size;
  int64_t elem_bytes;

  int64_t begin(int rank) const {
    return elems / size * rank + std::min<int64_t>(rank, elems % size);
  }
  int64_t count(int rank) const { return begin(rank + 1) - begin(rank); }
  int64_t begin_bytes(int rank) const { return begin(rank) * elem_bytes; }
  int64_t count_bytes(int rank) const { return count(rank) * elem_bytes; }
};

MpiTransport::MpiTransport(MpiComm comm, Patience patience, const GroupIdentity& group, Lane lane)
    : comm_(std::move(comm)),
      rank_(comm_.rank()),
      size_(comm_.size()),
      patience_(patience),
      slot_(group, lane) {}

void MpiTransport::run(const std::string& group, const Collective& call) {
  const auto place = [&] {
    return format("{}: {} \"{}\", call {}", group, name(call.kind), call.label, sequence_);
  };
  if (!failure_.empty()) {
    throw CommError(format("{}: not run, since an earlier one failed: {}", place(), failure_));
  }
  try {
    tag_ = tag_of(call.kind, sequence_);
    const Logged logged(slot_, call, sequence_);
    dispatch(call);
    ++sequence_;
  } catch (const CommError& error) {
    failure_ = format("{}: {}", place(), error.what());
    throw CommError(failure_);
  } catch (const std::exception& error) {
    failure_ = format("{}: {}", place(), error.what());
    throw;
  }
}

void MpiTransport::dispatch(const Collective& call) {
  const ConstView& x = call.x;
  const Parts parts{.elems = x ? x.numel() : 0, .size = size_, .elem_bytes = size_bytes(x.dtype())};
  switch (call.kind) {
    case CollectiveKind::kAllReduce:
      return all_reduce(call);
    case CollectiveKind::kReduceScatter:
      return reduce_parts(parts, call.x, call.own.raw(), call.op);
    case CollectiveKind::kAllGather: {
      std::byte* own = at(call.x.raw(), parts.begin_bytes(rank_));
      if (own != call.own.raw() && call.own.bytes() > 0) {
        std::memcpy(own, call.own.raw(), static_cast<size_t>(call.own.bytes()));
      }
      return gather_parts(parts, call.x.raw());
    }
    case CollectiveKind::kBroadcast:
      return broadcast(call);
    case CollectiveKind::kBarrier:
      return barrier();
  }
  throw InternalError("unknown collective");
}

void MpiTransport::all_reduce(const Collective& call) {
  if (call.x.bytes() <= limits_.gathered_bytes) return all_reduce_gathered(call);
  const Parts parts{
      .elems = call.x.numel(), .size = size_, .elem_bytes = size_bytes(call.x.dtype())};
  reduce_parts(parts, call.x, at(call.x.raw(), parts.begin_bytes(rank_)), call.op);
  gather_parts(parts, call.x.raw());
}

void MpiTransport::all_reduce_gathered(const Collective& call) {
  const int64_t bytes = call.x.bytes();
  if (bytes == 0) return;
  std::byte* gathered = staging(bytes * size_);
  std::memcpy(at(gathered, rank_ * bytes), call.x.raw(), static_cast<size_t>(bytes));
  gather_parts(
      {.elems = call.x.numel() * size_, .size = size_, .elem_bytes = size_bytes(call.x.dtype())},
      gathered);
  std::vector<const void*> from;
  from.reserve(static_cast<size_t>(size_));
  for (int rank = 0; rank < size_; ++rank) from.push_back(at(gathered, rank * bytes));
  combine_in_rank_order(call.x.dtype(), call.op, call.x.raw(), from, call.x.numel());
}

/// One round of the exchange: every rank's elements begin..begin+elems-1 of its part.
class MpiTransport::Segments {
 public:
  Segments(MpiTransport& t, const Parts& parts, View x, int64_t elems, std::byte* staging)
      : t_(t), parts_(parts), x_(x), elems_(elems), staging_(staging), messages_(t.messages()) {}

  void post(int64_t begin) {
    for (int step = 1; step < t_.size_; ++step) {
      const int from = (t_.rank_ + t_.size_ - step) % t_.size_;
      messages_.receive(staged(from), count(t_.rank_, begin) * parts_.elem_bytes, from, t_.tag_);
    }
    for (int step = 1; step < t_.size_; ++step) {
      const int to = (t_.rank_ + step) % t_.size_;
      messages_.send(mine(to, begin), count(to, begin) * parts_.elem_bytes, to, t_.tag_);
    }
  }

  void reduce(int64_t begin, void* own, ReduceOp op) {
    t_.wait(messages_);
    std::vector<const void*> from;
    from.reserve(static_cast<size_t>(t_.size_));
    for (int rank = 0; rank < t_.size_; ++rank) {
      from.push_back(rank == t_.rank_ ? mine(rank, begin) : staged(rank));
    }
    combine_in_rank_order(x_.dtype(), op, at(own, begin * parts_.elem_bytes), from,
                          count(t_.rank_, begin));
  }

 private:
  int64_t count(int rank, int64_t begin) const {
    return std::clamp<int64_t>(parts_.count(rank) - begin, 0, elems_);
  }
  std::byte* mine(int part, int64_t begin) const {
    return at(x_.raw(), parts_.begin_bytes(part) + begin * parts_.elem_bytes);
  }
  std::byte* staged(int rank) const { return at(staging_, rank * elems_ * parts_.elem_bytes); }

  MpiTransport& t_;
  const Parts& parts_;
  View x_;
  int64_t elems_;
  std::byte* staging_;
  MpiMessages messages_;
};

void MpiTransport::reduce_parts(const Parts& parts, View x, void* own, ReduceOp op) {
  const int64_t longest = parts.count(0);
  const int64_t elems = std::min(segment_elems(x.dtype()), longest);
  if (elems == 0) return;
  const int64_t round_bytes = elems * parts.elem_bytes * size_;
  std::byte* staged = staging(2 * round_bytes);
  // While one round is summed the next one travels.
  Segments even(*this, parts, x, elems, staged), odd(*this, parts, x, elems, staged + round_bytes);
  Segments* current = &even;
  Segments* next = &odd;
  current->post(0);
  for (int64_t begin = 0; begin < longest; begin += elems) {
    if (begin + elems < longest) next->post(begin + elems);
    current->reduce(begin, own, op);
    std::swap(current, next);
  }
}

void MpiTransport::gather_parts(const Parts& parts, void* x) {
  MpiMessages under_way = messages();
  const auto part = [&](int rank) { return at(x, parts.begin_bytes(rank)); };
  for (int step = 1; step < size_; ++step) {
    const int from = (rank_ + size_ - step) % size_;
    under_way.receive(part(from), parts.count_bytes(from), from, tag_);
  }
  for (int step = 1; step < size_; ++step) {
    under_way.send(part(rank_), parts.count_bytes(rank_), (rank_ + step) % size_, tag_);
  }
  wait(under_way);
}

/// A binomial tree: whoever has it passes it on, to twice as many each time.
void MpiTransport::broadcast(const Collective& call) {
  const int place = (rank_ - call.root + size_) % size_;
  const auto rank_at = [&](int other) { return (other + call.root) % size_; };
  int reach = 1;
  while (reach <= place) reach *= 2;
  MpiMessages under_way = messages();
  if (place > 0) {
    under_way.receive(call.x.raw(), call.x.bytes(), rank_at(place - reach / 2), tag_);
    wait(under_way);
  }
  for (; place + reach < size_; reach *= 2) {
    under_way.send(call.x.raw(), call.x.bytes(), rank_at(place + reach), tag_);
  }
  wait(under_way);
}

/// Dissemination: after round k a rank has heard, through others, from 2^(k+1) - 1 before it.
void MpiTransport::barrier() {
  for (int distance = 1; distance < size_; distance *= 2) {
    std::byte sign{}, heard{};
    MpiMessages under_way = messages();
    under_way.receive(&heard, 1, (rank_ + size_ - distance) % size_, tag_);
    under_way.send(&sign, 1, (rank_ + distance) % size_, tag_);
    wait(under_way);
  }
}

void MpiTransport::wait(MpiMessages& messages) {
  Clock::time_point spins_end{};
  std::chrono::microseconds sleep = patience_.sleeps;
  messages.wait([&] {
    if (abandoned_) throw CommError("given up while this process stops");
    const Clock::time_point now = Clock::now();
    if (spins_end == Clock::time_point{}) spins_end = now + patience_.spins;
    if (now < spins_end) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(sleep);
      sleep = std::max(sleep, std::min(sleep + sleep / 2, patience_.longest));
    }
  });
}

int64_t MpiTransport::segment_elems(DType dtype) const {
  const int64_t share_bytes = std::max(limits_.staging_bytes / (2 * size_), kSmallestSegmentBytes);
  return std::max<int64_t>(std::min(limits_.segment_bytes, share_bytes) / size_bytes(dtype), 1);
}

std::byte* MpiTransport::staging(int64_t bytes) {
  if (bytes > staging_bytes_) {
    staging_.reset();
    staging_ = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(bytes));
    staging_bytes_ = bytes;
  }
  return staging_.get();
}

}  // namespace lckv::comm
