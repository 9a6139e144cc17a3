#pragma once

#include <algorithm>
#include <barrier>
#include <cstring>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/comm/communicator.h"

namespace lckv::checkpoint {

/// The rank that the calling thread is inside of run_on_threads(); 0 outside.
inline thread_local int thread_rank = 0;

/// What the threads of one group have in common.
struct ThreadGroup {
  explicit ThreadGroup(int size) : meeting(size), calls(static_cast<size_t>(size)) {}
  std::barrier<> meeting;
  std::vector<const comm::Collective*> calls;  // by rank, between two meetings
};

/// A rank that is a thread of this process: what saved states need of a communicator, without MPI,
/// so that a test may fork, and kill every rank at once.
class ThreadCommunicator final : public comm::Communicator {
 public:
  ThreadCommunicator(ThreadGroup& group, int rank)
      : Communicator("threads", rank, static_cast<int>(group.calls.size())), group_(group) {}

 private:
  void run(Stream&, const comm::Collective& call) override {
    group_.calls[static_cast<size_t>(rank())] = &call;
    group_.meeting.arrive_and_wait();
    LCKV_CHECK(call.kind == comm::CollectiveKind::kAllGather, "threads only gather");
    auto* to = static_cast<std::byte*>(call.x.raw());
    for (const comm::Collective* other : group_.calls) {
      std::memcpy(to, other->own.raw(), static_cast<size_t>(other->own.bytes()));
      to += other->own.bytes();
    }
    group_.meeting.arrive_and_wait();
  }

  ThreadGroup& group_;
};

/// Runs `work` as so many ranks. What each threw, by rank.
inline std::vector<std::exception_ptr> run_on_threads(
    int ranks, const std::function<void(comm::Communicator&)>& work) {
  ThreadGroup group(ranks);
  std::vector<std::exception_ptr> thrown(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      thread_rank = rank;
      try {
        ThreadCommunicator communicator(group, rank);
        work(communicator);
      } catch (...) {
        thrown[static_cast<size_t>(rank)] = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return thrown;
}

}  // namespace lckv::checkpoint
