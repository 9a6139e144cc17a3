#include "lckv/comm/mailbox.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <thread>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

bool is_done(MPI_Request& request) {
  int done = 0;
  check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
  return done != 0;
}

}  // namespace

struct Mailbox::Sending {
  int to, tag;
  std::vector<std::byte> message;
  MPI_Request request = MPI_REQUEST_NULL;
};

struct Mailbox::Arriving {
  int from, tag;
  size_t bytes;
  std::array<std::byte, kMaxBytes> message;
  MPI_Request request = MPI_REQUEST_NULL;
};

Mailbox::Mailbox(const MpiComm& world) : comm_(world.duplicate()) {}

Mailbox::~Mailbox() {
  if (std::uncaught_exceptions() == 0) {
    try {
      close();
    } catch (const CommError&) {  // MPI has failed and will say so itself
    }
  }
  // MPI may still read and write these.
  for (auto& message : sending_) (void)message.release();
  for (auto& message : arriving_) (void)message.release();
}

bool Mailbox::send(int to, int tag, std::span<const std::byte> message) {
  LCKV_CHECK(message.size() <= kMaxBytes, format("a message of {} bytes", message.size()));
  forget_taken();
  if (std::any_of(sending_.begin(), sending_.end(),
                  [&](const auto& other) { return other->to == to && other->tag == tag; })) {
    return false;
  }
  auto sending = std::make_unique<Sending>(Sending{
      .to = to, .tag = tag, .message = std::vector<std::byte>(message.begin(), message.end())});
  // Synchronous: it is done when `to` has taken it, not when it lies in some buffer on the way.
  check_mpi(MPI_Issend(sending->message.data(), static_cast<int>(message.size()), MPI_BYTE, to, tag,
                       comm_.get(), &sending->request),
            "MPI_Issend");
  sending_.push_back(std::move(sending));
  return true;
}

void Mailbox::forget_taken() {
  sending_.remove_if([](const auto& sending) { return is_done(sending->request); });
}

void Mailbox::collect(const Take& take) {
  // What arrives faster than it is taken waits for the next time.
  const int most = 4 * comm_.size();
  for (int i = 0; i < most && begin_arrival(); ++i) finish_arrivals(take);
  finish_arrivals(take);
}

bool Mailbox::begin_arrival() {
  int found = 0;
  MPI_Message message = MPI_MESSAGE_NULL;
  MPI_Status status;
  check_mpi(MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, comm_.get(), &found, &message, &status),
            "MPI_Improbe");
  if (found == 0) return false;
  int bytes = 0;
  check_mpi(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
  auto arriving = std::make_unique<Arriving>(Arriving{.from = status.MPI_SOURCE,
                                                      .tag = status.MPI_TAG,
                                                      .bytes = static_cast<size_t>(bytes),
                                                      .message = {}});
  check_mpi(MPI_Imrecv(arriving->message.data(), bytes, MPI_BYTE, &message, &arriving->request),
            "MPI_Imrecv");
  arriving_.push_back(std::move(arriving));
  return true;
}

void Mailbox::finish_arrivals(const Take& take) {
  for (auto it = arriving_.begin(); it != arriving_.end();) {
    if (!is_done((*it)->request)) {
      ++it;
      continue;
    }
    const std::unique_ptr<Arriving> arrived = std::move(*it);
    it = arriving_.erase(it);
    take(arrived->from, arrived->tag, std::span(arrived->message).first(arrived->bytes));
  }
}

/// Sent messages are done only when they have been taken out. So a rank that has none left enters
/// the barrier, and when the barrier is over nobody has any (Hoefler, Siebert, Lumsdaine: Scalable
/// communication protocols for dynamic sparse data exchange, 2010).
void Mailbox::close() {
  const Take drop = [](int, int, std::span<const std::byte>) {};
  const auto look = [&] {
    collect(drop);
    forget_taken();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  };
  while (!sending_.empty()) look();
  MPI_Request everybody = MPI_REQUEST_NULL;
  check_mpi(MPI_Ibarrier(comm_.get(), &everybody), "MPI_Ibarrier");
  while (!is_done(everybody)) look();
}

}  // namespace lckv::comm
