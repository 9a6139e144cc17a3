#include "lckv/comm/host_staging.h"

#include "lckv/tensor/transfer.h"

namespace lckv::comm {

namespace {

bool has_own(const Collective& call) {
  return call.kind == CollectiveKind::kReduceScatter || call.kind == CollectiveKind::kAllGather;
}

/// The view that holds what this rank brings; none for a broadcast of another rank.
View read_by(const Collective& call, int rank) {
  if (call.kind == CollectiveKind::kBroadcast && rank != call.root) return {};
  return call.kind == CollectiveKind::kAllGather ? call.own : call.x;
}

/// The view that receives the result; none for a broadcast of this rank.
View written_by(const Collective& call, int rank) {
  if (call.kind == CollectiveKind::kBroadcast && rank == call.root) return {};
  return call.kind == CollectiveKind::kReduceScatter ? call.own : call.x;
}

}  // namespace

Collective HostStaging::to_host(Stream& stream, const Collective& call, int rank) {
  if (buffer_.bytes() < call.x.bytes()) {
    buffer_ = Buffer();
    const int64_t elems = (call.x.bytes() + 7) / 8;
    buffer_ = Buffer::staging(DType::kF64, {elems}, stream.device());
  }
  Collective staged = call;
  staged.x = View(buffer_.raw(), call.x.dtype(), {call.x.numel()});
  if (has_own(call)) {
    const int64_t elems = call.own.numel();
    staged.own = staged.x.slice(0, rank * elems, (rank + 1) * elems);
  }
  if (const View from = read_by(call, rank)) transfer(stream, read_by(staged, rank), from);
  stream.synchronize();
  return staged;
}

void HostStaging::to_device(Stream& stream, const Collective& call, const Collective& staged,
                            int rank) {
  if (const View to = written_by(call, rank)) transfer(stream, to, written_by(staged, rank));
  stream.synchronize();  // the next call stages here
}

}  // namespace lckv::comm
