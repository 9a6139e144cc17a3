#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <span>

#include "lckv/comm/mpi_calls.h"

namespace lckv::comm {

/// Small messages between the ranks of a world that never wait for a rank: one that is stopped, or
/// has left, costs the others nothing. Beside the collectives, for one thread at a time.
class Mailbox {
 public:
  /// Below the size from which MPI transports ask the receiver first, so that a message arrives
  /// whole or not at all.
  static constexpr size_t kMaxBytes = 4000;
  using Take = std::function<void(int from, int tag, std::span<const std::byte> message)>;

  /// Collective over `world`.
  explicit Mailbox(const MpiComm& world);
  /// Collective: returns when every rank's messages have been taken out and all ranks have come.
  /// While an exception unwinds it waits for nobody, and leaves behind what is under way.
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Copies and sends the message, unless an earlier one with this tag still waits to be taken out
  /// by `to`: then it returns false and nothing is sent. So at most one per tag is ever on its way
  /// from one rank to another.
  bool send(int to, int tag, std::span<const std::byte> message);
  /// Takes out what has arrived.
  void collect(const Take& take);

  /// 1, 2, ...: tells the messages of one user of this mailbox from those of the next, where all
  /// ranks have the same users in the same order.
  int32_t next_user() { return ++users_; }

 private:
  struct Sending;
  struct Arriving;

  void forget_taken();
  bool begin_arrival();
  void finish_arrivals(const Take& take);
  void close();

  MpiComm comm_;
  int32_t users_ = 0;
  std::list<std::unique_ptr<Sending>> sending_;
  std::list<std::unique_ptr<Arriving>> arriving_;
};

}  // namespace lckv::comm
