#pragma once

#include <string>

#include <sys/types.h>

namespace lckv {

/// The calling thread can be asked for its stack, under `name`, for as long as this lives. It is
/// asked by a real-time signal; system calls that it interrupts go on.
class TracedThread {
 public:
  explicit TracedThread(const std::string& name);
  /// In the same thread.
  ~TracedThread();
  TracedThread(const TracedThread&) = delete;
  TracedThread& operator=(const TracedThread&) = delete;

 private:
  pid_t thread_;
};

/// Where every traced thread of this process is now, innermost call first:
///
///   thread "main":
///     poll+0x4f (libc.so.6+0x10a2af)
///     lckv::comm::MpiTransport::wait(lckv::comm::MpiMessages&)+0x5c (lckv+0x1c04bc)
///
/// From any thread. A function without a name has its place in the file alone, which
/// `addr2line -Cfe FILE OFFSET` turns into name and line. A thread that does not answer within
/// 0.2 s (blocked in the kernel, where no signal reaches it) is said to be so.
std::string stack_traces();

}  // namespace lckv
