#pragma once

#include <memory>
#include <string>

#include "lckv/comm/host_staging.h"
#include "lckv/comm/mpi_transport.h"
#include "lckv/comm/started_queue.h"

namespace lckv::comm {

/// Over MPI. Blocking and started calls have an MPI communicator each, so that they may overtake
/// one another. Views in a device's memory are staged in pinned host memory: the host waits for the
/// stream, and started calls run at once.
class MpiCommunicator : public Communicator {
 public:
  /// Collective over `comm`, which has two ranks or more and is the group of this identity.
  MpiCommunicator(const std::string& name, const GroupIdentity& identity, MpiComm comm);
  /// Started collectives that nobody finished run to their end; they are given up while an
  /// exception unwinds, because other ranks may never come.
  ~MpiCommunicator() override;

  void set_limits(const MpiLimits& limits);

 protected:
  static bool on_device(const Collective& call);
  void run(Stream& stream, const Collective& call) override;
  Pending start(Stream& stream, const Collective& call) override;

 private:
  void wait_for(const std::shared_future<void>& done);

  MpiTransport blocking_;
  MpiTransport started_;
  HostStaging staging_;
  std::unique_ptr<StartedQueue> queue_;  // made by the first started call
};

/// The group of `comm`'s ranks, which `identity` describes; a group of one runs without MPI.
std::unique_ptr<Communicator> make_mpi_communicator(const std::string& name,
                                                    const GroupIdentity& identity, MpiComm comm);

}  // namespace lckv::comm
