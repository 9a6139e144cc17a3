#pragma once

#include "lckv/comm/communicator.h"
#include "lckv/tensor/buffer.h"

namespace lckv::comm {

/// Host memory in which a collective on views of a device takes place instead: grows to the largest
/// view, and stays.
class HostStaging {
 public:
  /// The same call on host memory that holds what it reads; returns when it has been copied.
  ///
  ///   rank   of this process in the group
  Collective to_host(Stream& stream, const Collective& call, int rank);
  /// Copies what the call has written back to its views; returns when that is done.
  ///
  ///   staged   what to_host made of `call`, carried out
  void to_device(Stream& stream, const Collective& call, const Collective& staged, int rank);

 private:
  Buffer buffer_;
};

}  // namespace lckv::comm
