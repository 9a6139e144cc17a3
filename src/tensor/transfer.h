#pragma once

#include "lckv/tensor/buffer.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv {

/// to = from, byte for byte, between the host and `stream`'s device in either direction, or within
/// one of them, in the order of the stream. Equal dtype and number of elements; contiguous. With a
/// host view that is not pinned the host may wait for the copy; a pinned one must stay as it is
/// until the stream has been synchronized.
void transfer(Stream& stream, View to, ConstView from);

/// A copy in host memory, complete when this returns. Contiguous `from` on any device.
Buffer to_host(Stream& stream, ConstView from);

/// A tensor for the host to read: the very memory when that is the host's, else a copy of what it
/// holds once all work queued on its device has run. Contiguous.
class OnHost {
 public:
  explicit OnHost(ConstView from);
  ConstView view() const { return copy_.bytes() > 0 ? ConstView(copy_.view()) : view_; }

 private:
  ConstView view_;
  Buffer copy_;
};

/// Sets a tensor from host memory, on whichever device it is, and returns when it is set: for what
/// is not part of a step. Equal dtype and number of elements; contiguous.
void set_from_host(View to, ConstView from);

}  // namespace lckv
