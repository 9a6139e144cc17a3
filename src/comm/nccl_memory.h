#pragma once

#include <cstdint>

namespace lckv::comm {

/// What a group over NCCL stages on its device for the parts that await their sum, as long as it
/// lives: of every group of more than one rank. What the NCCL library takes for itself (channels,
/// connections; it grows with ranks and with what has been sent) is not ours to plan.
inline constexpr int64_t kNcclStagingBytes = int64_t{64} << 20;

}  // namespace lckv::comm
