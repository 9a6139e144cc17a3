#include "lckv/comm/mpi_calls.h"

#include <algorithm>
#include <array>
#include <exception>
#include <numeric>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

/// f(offset, bytes) for each piece.
template <class F>
void in_pieces(int64_t count_bytes, int64_t piece_bytes, const F& f) {
  for (int64_t offset = 0; offset < count_bytes; offset += piece_bytes) {
    f(offset, static_cast<int>(std::min(piece_bytes, count_bytes - offset)));
  }
}

void check_statuses(const std::vector<MPI_Status>& statuses) {
  for (const MPI_Status& status : statuses) {
    if (status.MPI_ERROR != MPI_ERR_PENDING) check_mpi(status.MPI_ERROR, "MPI_Testall");
  }
}

}  // namespace

void check_mpi(int code, const char* function) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw CommError(format("{}: {}", function, text.data()));
}

MpiComm::MpiComm(MPI_Comm comm) : comm_(comm) {
  check_mpi(MPI_Comm_set_errhandler(comm, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
}

MpiComm::~MpiComm() {
  if (comm_ == MPI_COMM_NULL || std::uncaught_exceptions() > 0) return;
  int finalized = 0;
  MPI_Finalized(&finalized);
  if (finalized == 0) MPI_Comm_free(&comm_);
}

int MpiComm::rank() const {
  int rank = 0;
  check_mpi(MPI_Comm_rank(comm_, &rank), "MPI_Comm_rank");
  return rank;
}

int MpiComm::size() const {
  int size = 0;
  check_mpi(MPI_Comm_size(comm_, &size), "MPI_Comm_size");
  return size;
}

std::vector<int> MpiComm::ranks_in(const MpiComm& other) const {
  std::vector<int> own(static_cast<size_t>(size())), there(own.size());
  std::iota(own.begin(), own.end(), 0);
  MPI_Group own_group = MPI_GROUP_NULL, other_group = MPI_GROUP_NULL;
  check_mpi(MPI_Comm_group(comm_, &own_group), "MPI_Comm_group");
  check_mpi(MPI_Comm_group(other.comm_, &other_group), "MPI_Comm_group");
  check_mpi(MPI_Group_translate_ranks(own_group, static_cast<int>(own.size()), own.data(),
                                      other_group, there.data()),
            "MPI_Group_translate_ranks");
  MPI_Group_free(&own_group);
  MPI_Group_free(&other_group);
  return there;
}

MpiComm MpiComm::duplicate() const {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(comm_, &made), "MPI_Comm_dup");
  return MpiComm(made);
}

MpiComm MpiComm::split(int color) const {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(comm_, color, rank(), &made), "MPI_Comm_split");
  return MpiComm(made);
}

MpiComm MpiComm::split_by_machine() const {
  MPI_Comm made = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(comm_, MPI_COMM_TYPE_SHARED, rank(), MPI_INFO_NULL, &made),
            "MPI_Comm_split_type");
  return MpiComm(made);
}

MpiMessages::~MpiMessages() {
  for (MPI_Request& request : requests_) {
    if (request == MPI_REQUEST_NULL) continue;
    MPI_Cancel(&request);
    MPI_Request_free(&request);
  }
}

void MpiMessages::send(const void* bytes, int64_t count_bytes, int to, int tag) {
  in_pieces(count_bytes, message_bytes_, [&](int64_t offset, int piece) {
    MPI_Request& request = requests_.emplace_back(MPI_REQUEST_NULL);
    expected_bytes_.push_back(kSent);
    check_mpi(MPI_Isend(static_cast<const std::byte*>(bytes) + offset, piece, MPI_BYTE, to, tag,
                        comm_, &request),
              "MPI_Isend");
  });
}

void MpiMessages::receive(void* bytes, int64_t count_bytes, int from, int tag) {
  in_pieces(count_bytes, message_bytes_, [&](int64_t offset, int piece) {
    MPI_Request& request = requests_.emplace_back(MPI_REQUEST_NULL);
    expected_bytes_.push_back(piece);
    check_mpi(MPI_Irecv(static_cast<std::byte*>(bytes) + offset, piece, MPI_BYTE, from, tag, comm_,
                        &request),
              "MPI_Irecv");
  });
}

void MpiMessages::wait(const std::function<void()>& pause) {
  const int count = static_cast<int>(requests_.size());
  std::vector<MPI_Status> statuses(requests_.size());
  for (;;) {
    int done = 0;
    const int code = MPI_Testall(count, requests_.data(), &done, statuses.data());
    if (code == MPI_ERR_IN_STATUS) check_statuses(statuses);
    check_mpi(code, "MPI_Testall");
    if (done != 0) break;
    pause();
  }
  check_arrivals(statuses);
  requests_.clear();
  expected_bytes_.clear();
}

void MpiMessages::check_arrivals(const std::vector<MPI_Status>& statuses) const {
  for (size_t i = 0; i < statuses.size(); ++i) {
    if (expected_bytes_[i] == kSent) continue;
    int arrived_bytes = 0;
    check_mpi(MPI_Get_count(&statuses[i], MPI_BYTE, &arrived_bytes), "MPI_Get_count");
    if (arrived_bytes == expected_bytes_[i]) continue;
    throw CommError(format("rank {} of the group sent {} bytes where this rank expects {}",
                           statuses[i].MPI_SOURCE, arrived_bytes, expected_bytes_[i]));
  }
}

}  // namespace lckv::comm
