#include "lckv/comm/collective_checks.h"

#include <cstddef>

#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

std::string place(const Communicator& group, const Collective& call) {
  return format("{}: {} \"{}\"", group.name(), name(call.kind), call.label);
}

void check_view(const std::string& place, const char* argument, const ConstView& view) {
  if (!view) throw ShapeError(format("{}: {} is an empty view", place, argument));
  if (view.is_contiguous()) return;
  throw ShapeError(format("{}: {} {} is not contiguous", place, argument, view.describe()));
}

/// `own` is rank's part of x, or apart from all of it.
bool lies_well(const ConstView& own, const ConstView& x, int rank) {
  const auto* part = static_cast<const std::byte*>(x.raw()) + rank * own.bytes();
  return own.raw() == part || !overlap(own, x);
}

void check_parts(const std::string& place, const Communicator& group, const Collective& call) {
  check_view(place, "own", call.own);
  if (call.own.dtype() != call.x.dtype() || call.own.device() != call.x.device()) {
    throw DTypeError(format("{}: own is {}, x {}", place, call.own.describe(), call.x.describe()));
  }
  if (call.own.numel() * group.size() != call.x.numel()) {
    throw ShapeError(format("{}: x {} is not {} times own {}", place, call.x.describe(),
                            group.size(), call.own.describe()));
  }
  if (!lies_well(call.own, call.x, group.rank())) {
    throw ShapeError(format("{}: own {} overlaps x {} and is not part {} of it", place,
                            call.own.describe(), call.x.describe(), group.rank()));
  }
}

}  // namespace

void check_collective(const Communicator& group, const Collective& call) {
  LCKV_CHECK(call.label != nullptr,
             format("{}: {} without a label", group.name(), name(call.kind)));
  if (call.kind == CollectiveKind::kBarrier) return;
  const std::string where = place(group, call);
  check_view(where, "x", call.x);
  if (call.kind == CollectiveKind::kBroadcast) {
    LCKV_CHECK(0 <= call.root && call.root < group.size(),
               format("{}: root {} of {}", where, call.root, group.size()));
  }
  if (call.kind == CollectiveKind::kReduceScatter || call.kind == CollectiveKind::kAllGather) {
    check_parts(where, group, call);
  }
  if (call.kind == CollectiveKind::kReduceScatter && call.x.dtype() != DType::kBF16 &&
      call.x.dtype() != DType::kF32 && call.x.dtype() != DType::kF64) {
    throw DTypeError(format("{}: x is {}, expected bf16, f32 or f64", where, call.x.describe()));
  }
}

}  // namespace lckv::comm
