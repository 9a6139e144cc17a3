#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::comm {

enum class ReduceOp : uint8_t { kSum, kMax };

enum class CollectiveKind : uint8_t {
  kAllReduce,
  kReduceScatter,
  kAllGather,
  kBroadcast,
  kBarrier
};
const char* name(CollectiveKind kind);  // "all_reduce", ...

/// One collective as data: what a transport carries out, a test intercepts, a message names.
struct Collective {
  CollectiveKind kind;
  View x;    // the whole; all_gather and broadcast write it, all_reduce works in it
  View own;  // reduce_scatter writes it, all_gather reads it: this rank's 1/size of x
  ReduceOp op = ReduceOp::kSum;
  int root = 0;
  const char* label;  // what it is for: "tp attention out"; a literal
};

/// A started collective. Its views must stay as they are, its inputs unwritten, until finish() has
/// returned or the Pending is gone.
class Pending {
 public:
  Pending() = default;  // nothing under way
  /// `release` returns when nothing touches the views any more; it does not throw.
  explicit Pending(std::function<void()> wait, std::function<void()> release = {})
      : wait_(std::move(wait)), release_(std::move(release)) {}
  /// Unfinished: it runs to its end, or is given up while an exception unwinds, because other ranks
  /// may never come; in both cases its memory is free afterwards.
  ~Pending();
  Pending(Pending&& other) noexcept
      : wait_(std::exchange(other.wait_, {})), release_(std::exchange(other.release_, {})) {}
  Pending& operator=(Pending&& other) noexcept {
    std::swap(wait_, other.wait_);
    std::swap(release_, other.release_);
    return *this;
  }

  /// Returns when the result is in place; on device views in the order of the stream that it was
  /// started on. Throws what the collective met. Once only; a second call does nothing.
  void finish();

 private:
  std::function<void()> wait_, release_;
};

/// What has gone through a communicator under one label.
struct Traffic {
  CollectiveKind kind = CollectiveKind::kBarrier;
  int64_t calls = 0;
  int64_t sent_bytes = 0;  // by this rank, counted as sent_bytes() does
};

/// A group of ranks that run collectives together.
///
/// Every function is collective: all ranks of the group call it, in the same order, with equal
/// shapes, dtypes, op, root and label. Afterwards all ranks hold equal bits: sums run in rank order
/// 0, 1, .. size-1, in F32 for BF16 and F32, in F64 for F64, whatever the size and the path the
/// data took, rounded once at the end; I32 and I64 sums wrap. A group of one does nothing but
/// copies.
///
/// Views are contiguous, in host memory or in that of the stream's device. The blocking functions
/// return when the result is in place. They may be used while started collectives of the same
/// communicator are under way; started ones run in the order of their start, beside the caller. All
/// calls of one communicator come from one thread.
///
/// On views in device memory "in place" is meant in the order of `stream`: the collective comes
/// after what the stream holds already; what is queued there after the blocking function, or after
/// finish(), comes after the collective; the host need not have waited. An error that the device
/// meets is thrown by a later call.
///
/// Throws CommError naming the communicator, collective and label when the transport fails;
/// ShapeError or DTypeError when the views do not fit, before anything is sent.
class Communicator {
 public:
  Communicator(std::string name, int rank, int size);
  virtual ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const std::string& name() const { return name_; }  // "world", "dp", "tp", "kv"
  int rank() const { return rank_; }
  int size() const { return size_; }

  /// x = the op over all ranks' x.   BF16, F32, F64, I32, I64
  void all_reduce(Stream& stream, View x, ReduceOp op, const char* label);
  /// own = part number rank() of the sum of all ranks' x.   x [size * n], own [n]; own may be that
  /// very part of x. x is unspecified afterwards where it is not own.   BF16, F32, F64
  void reduce_scatter(Stream& stream, View own, View x, const char* label);
  /// x = every rank's own, by rank.   x [size * n], own [n]; own may be its part of x.   Any dtype
  void all_gather(Stream& stream, View x, ConstView own, const char* label);
  /// x = rank root's x.   Any dtype
  void broadcast(Stream& stream, View x, int root, const char* label);
  /// Returns when every rank has called it.
  void barrier(const char* label);

  [[nodiscard]] Pending start_all_reduce(Stream& stream, View x, ReduceOp op, const char* label);
  [[nodiscard]] Pending start_reduce_scatter(Stream& stream, View own, View x, const char* label);
  [[nodiscard]] Pending start_all_gather(Stream& stream, View x, ConstView own, const char* label);

  /// By label, since construction or reset_traffic().
  std::map<std::string, Traffic> traffic() const;
  void reset_traffic();

 protected:
  /// Carries out a checked collective of a group of two or more, blocking.
  virtual void run(Stream& stream, const Collective& call) = 0;
  /// The same, started. Runs it at once unless overridden.
  virtual Pending start(Stream& stream, const Collective& call);

 private:
  void run_checked(Stream& stream, const Collective& call);
  Pending start_checked(Stream& stream, const Collective& call);
  bool settled_alone(Stream& stream, const Collective& call);
  void count(const Collective& call);

  std::string name_;
  int rank_;
  int size_;
  mutable std::mutex mutex_;
  std::map<std::string, Traffic> traffic_;
};

/// Bytes that one rank sends in a collective over `size` ranks on views of `bytes` (the whole):
/// 2 (size-1)/size for all_reduce, (size-1)/size for reduce_scatter, all_gather and (on average)
/// broadcast, 0 for barrier. The least that any algorithm can do.
int64_t sent_bytes(CollectiveKind kind, int64_t bytes, int size);

/// A group of one: collectives are copies.
std::unique_ptr<Communicator> make_alone(const std::string& name);
/// A place in a group of `size` that exists on paper only: for planning. Every collective throws
/// InternalError.
std::unique_ptr<Communicator> make_planned(const std::string& name, int rank, int size);

}  // namespace lckv::comm
