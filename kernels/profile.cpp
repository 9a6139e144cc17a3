#include "lckv/kernels/profile.h"

#include <numeric>
#include <vector>

#include "lckv/base/clock.h"
#include "lckv/base/timeline.h"

namespace lckv::ops {

namespace {

/// An op on a GPU: its place in the queue.
struct QueuedOp {
  WorkKind kind;
  Event begin, end;
};

WorkTimes times;
std::vector<QueuedOp> queued;
bool profiling = false;
const KernelTable* inner = nullptr;

/// Times what is queued on a GPU from its construction to end().
class QueuedTimer {
 public:
  QueuedTimer(Stream& stream, WorkKind kind) : stream_(stream) {
    if (!profiling || stream.device().kind == DeviceKind::kCpu) return;
    queued.push_back({kind, Event(stream.device()), Event(stream.device())});
    at_ = queued.size();
    queued.back().begin.record(stream);
  }
  /// The op is queued. Where it threw instead, nobody calls this.
  void end() const {
    if (at_ > 0) queued[at_ - 1].end.record(stream_);
  }
  QueuedTimer(const QueuedTimer&) = delete;
  QueuedTimer& operator=(const QueuedTimer&) = delete;

 private:
  Stream& stream_;
  size_t at_ = 0;  // in `queued`, from 1
};

/// A kernel with the signature of the table's member that calls the timed table's. `Get` finds that
/// member, `Name` tells its name.
template <auto Get, auto Name, WorkKind kind, class Signature>
struct Timed;
template <auto Get, auto Name, WorkKind kind, class... Args>
struct Timed<Get, Name, kind, void(Stream&, Args...)> {
  static void call(Stream& stream, Args... args) {
    const TimelineScope scope(Name(), "compute");
    const QueuedTimer timer(stream, kind);
    const Stopwatch watch;
    Get (*inner)(stream, args...);
    timer.end();
    if (profiling && stream.device().kind == DeviceKind::kCpu) {
      times.seconds[static_cast<size_t>(kind)] += watch.elapsed_s();
    }
  }
};

}  // namespace

const char* name(WorkKind kind) {
  switch (kind) {
    case WorkKind::kMatmul:
      return "matmul";
    case WorkKind::kAttention:
      return "attention";
    case WorkKind::kNorm:
      return "norm";
    case WorkKind::kElementwise:
      return "rope, swiglu, casts";
    case WorkKind::kEmbedding:
      return "embedding";
    case WorkKind::kLoss:
      return "cross-entropy";
    case WorkKind::kOptimizer:
      return "optimizer";
    case WorkKind::kCount:
      break;
  }
  throw InternalError("unknown kind of work");
}

double WorkTimes::total_s() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }

void start_profiling() {
  times = {};
  profiling = true;
}

WorkTimes stop_profiling() {
  profiling = false;
  for (const QueuedOp& op : queued) {
    op.end.synchronize();
    times.seconds[static_cast<size_t>(op.kind)] += Event::elapsed_ms(op.begin, op.end) / 1e3;
  }
  queued.clear();
  return times;
}

bool is_profiling() { return profiling || timeline_runs(); }

namespace detail {

#define LCKV_TIMED(op, kind)                                                           \
  .op = Timed<[](const KernelTable& table) -> decltype(ops::op)& { return table.op; }, \
              [] { return #op; }, WorkKind::kind, decltype(ops::op)>::call

const KernelTable& profiling_table(const KernelTable& timed) {
  inner = &timed;
  static const KernelTable instance = {
      .name = "profiled",
      LCKV_TIMED(rmsnorm_forward, kNorm),
      LCKV_TIMED(rmsnorm_backward, kNorm),
      LCKV_TIMED(rope_forward, kElementwise),
      LCKV_TIMED(rope_backward, kElementwise),
      LCKV_TIMED(rope_tables, kElementwise),
      LCKV_TIMED(swiglu_forward, kElementwise),
      LCKV_TIMED(swiglu_backward, kElementwise),
      LCKV_TIMED(embedding_forward, kEmbedding),
      LCKV_TIMED(embedding_backward, kEmbedding),
      LCKV_TIMED(matmul_forward, kMatmul),
      LCKV_TIMED(matmul_add_forward, kMatmul),
      LCKV_TIMED(matmul_backward_input, kMatmul),
      LCKV_TIMED(matmul_backward_weight, kMatmul),
      LCKV_TIMED(attention_forward, kAttention),
      LCKV_TIMED(attention_backward, kAttention),
      LCKV_TIMED(paged_attention_forward, kAttention),
      LCKV_TIMED(cross_entropy_forward, kLoss),
      LCKV_TIMED(cross_entropy_forward_backward, kLoss),
      LCKV_TIMED(cross_entropy_part, kLoss),
      LCKV_TIMED(cross_entropy_join, kLoss),
      LCKV_TIMED(cross_entropy_part_backward, kLoss),
      LCKV_TIMED(adamw_update, kOptimizer),
      LCKV_TIMED(sum, kOptimizer),
      LCKV_TIMED(sum_of_squares, kOptimizer),
      LCKV_TIMED(row_changes, kElementwise),
      LCKV_TIMED(argmax, kLoss),
      LCKV_TIMED(clip_scale, kOptimizer),
      LCKV_TIMED(copy, kElementwise),
      LCKV_TIMED(copy_numbered_rows, kElementwise),
      LCKV_TIMED(fill_zero, kElementwise),
      LCKV_TIMED(add, kElementwise),
  };
  return instance;
}

}  // namespace detail

}  // namespace lckv::ops
