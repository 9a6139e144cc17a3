#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#define OMPI_SKIP_MPICXX 1  // the C++ bindings that MPI 3 removed
#include <mpi.h>

namespace lckv::comm {

/// Throws CommError "MPI_Isend: <MPI's text>" unless `code` is MPI_SUCCESS.
void check_mpi(int code, const char* function);

/// Owns an MPI communicator whose errors are returned. Dropped, not freed, after MPI_Finalize and
/// while an exception unwinds: freeing is collective, and the other ranks may not come.
class MpiComm {
 public:
  explicit MpiComm(MPI_Comm comm);
  ~MpiComm();
  MpiComm(MpiComm&& other) noexcept : comm_(std::exchange(other.comm_, MPI_COMM_NULL)) {}
  MpiComm& operator=(MpiComm&&) = delete;

  MPI_Comm get() const { return comm_; }
  int rank() const;
  int size() const;
  /// The ranks that this one's ranks have in `other`, which holds them all.
  std::vector<int> ranks_in(const MpiComm& other) const;
  MpiComm duplicate() const;
  /// Collective: the ranks with the same `color`, in the order they have here.
  MpiComm split(int color) const;
  /// Collective: the ranks of this machine.
  MpiComm split_by_machine() const;

 private:
  MPI_Comm comm_;
};

/// Messages under way. Their bytes must stay where they are until wait() returns.
class MpiMessages {
 public:
  /// A message of more than `message_bytes` (at most INT_MAX) travels in pieces.
  MpiMessages(MPI_Comm comm, int64_t message_bytes) : comm_(comm), message_bytes_(message_bytes) {}
  /// Messages that nobody waited for (an exception came between) are withdrawn.
  ~MpiMessages();
  MpiMessages(const MpiMessages&) = delete;
  MpiMessages& operator=(const MpiMessages&) = delete;

  void send(const void* bytes, int64_t count_bytes, int to, int tag);
  void receive(void* bytes, int64_t count_bytes, int from, int tag);
  /// Returns when all have arrived or left; calls `pause` between two looks, which may throw.
  /// Throws CommError when a message had another length than expected.
  void wait(const std::function<void()>& pause);

 private:
  void check_arrivals(const std::vector<MPI_Status>& statuses) const;

  static constexpr int kSent = -1;

  MPI_Comm comm_;
  int64_t message_bytes_;
  std::vector<MPI_Request> requests_;
  std::vector<int> expected_bytes_;  // of each request; kSent
};

}  // namespace lckv::comm
