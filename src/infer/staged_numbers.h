#pragma once

#include <array>
#include <span>

#include "lckv/tensor/arena.h"
#include "lckv/tensor/stream.h"

namespace lckv::infer {

/// Integers that the host works out for every forward and the device reads: collected in staging
/// memory, sent in one transfer. Twice, so that the host may fill one while the device still reads
/// the other.
class StagedNumbers {
 public:
  /// Takes room for `count` numbers from `arena`.
  StagedNumbers(Arena& arena, int64_t count);
  /// Once, on a real arena.
  void prepare(Stream& stream);

  void begin();
  struct Piece {
    std::span<int32_t> host;  // to be filled before send()
    ConstView device;         // [count] I32
  };
  Piece take(int64_t count);
  void send(Stream& stream);

 private:
  struct Staged {
    Buffer numbers;
    Event copied;
  };
  View device_;
  std::array<Staged, 2> staged_;
  size_t turn_ = 0;
  int64_t taken_ = 0;
};

}  // namespace lckv::infer
