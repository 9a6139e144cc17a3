#include "lckv/comm/mpi_communicator.h"

#include <exception>

#include "lckv/base/text.h"
#include "lckv/base/timeline.h"

namespace lckv::comm {

namespace {

using std::chrono::microseconds;

/// The caller has nothing else to do and answers at once; after a while (another rank saves, or
/// evaluates) it leaves its core to others.
constexpr Patience kBlockingPatience{.spins = microseconds(2000), .sleeps = microseconds(50)};
/// Shares its core with a thread that computes.
constexpr Patience kStartedPatience{.spins = microseconds(0), .sleeps = microseconds(30)};
/// While data flows the next look comes soon; after 30 ms of nothing there are 100 looks a second.
constexpr Patience kPatientPatience{
    .spins = microseconds(0), .sleeps = microseconds(50), .longest = microseconds(10000)};

Patience patience_of(const GroupIdentity& group, Lane lane) {
  if (group.waiting == Waiting::kPatient) return kPatientPatience;
  return lane == Lane::kBlocking ? kBlockingPatience : kStartedPatience;
}

}  // namespace

MpiCommunicator::MpiCommunicator(const std::string& name, const GroupIdentity& identity,
                                 MpiComm comm)
    : Communicator(name, comm.rank(), comm.size()),
      blocking_(comm.duplicate(), patience_of(identity, Lane::kBlocking), identity,
                Lane::kBlocking),
      started_(std::move(comm), patience_of(identity, Lane::kStarted), identity, Lane::kStarted) {}

MpiCommunicator::~MpiCommunicator() {
  if (std::uncaught_exceptions() > 0) started_.abandon();
  queue_.reset();
}

void MpiCommunicator::set_limits(const MpiLimits& limits) {
  blocking_.set_limits(limits);
  started_.set_limits(limits);
}

bool MpiCommunicator::on_device(const Collective& call) {
  return call.x && call.x.device().kind != DeviceKind::kCpu;
}

void MpiCommunicator::run(Stream& stream, const Collective& call) {
  if (!on_device(call)) {
    stream.synchronize();
    return blocking_.run(name(), call);
  }
  const Collective staged = staging_.to_host(stream, call, rank());
  blocking_.run(name(), staged);
  staging_.to_device(stream, call, staged, rank());
}

Pending MpiCommunicator::start(Stream& stream, const Collective& call) {
  if (on_device(call)) return Communicator::start(stream, call);
  stream.synchronize();
  if (!queue_) queue_ = std::make_unique<StartedQueue>(name() + " started");
  const std::shared_future<void> done = queue_->push([this, call] {
    const TimelineScope scope(call.label, "collective");
    started_.run(name(), call);
  });
  const auto is_done = [done] {
    return done.wait_for(microseconds(0)) == std::future_status::ready;
  };
  // Once it is done the communicator may be gone.
  const auto wait = [this, done, is_done, label = call.label] {
    const TimelineScope scope(label, "wait");
    if (!is_done()) wait_for(done);
    done.get();
  };
  const auto release = [this, done, is_done] {
    if (is_done()) return;
    if (std::uncaught_exceptions() > 0) started_.abandon();
    wait_for(done);
  };
  return Pending(wait, release);
}

void MpiCommunicator::wait_for(const std::shared_future<void>& done) {
  const CollectiveSlot::MainWaits logged(started_.slot());
  done.wait();
}

std::unique_ptr<Communicator> make_mpi_communicator(const std::string& name,
                                                    const GroupIdentity& identity, MpiComm comm) {
  if (comm.size() == 1) return make_alone(name);
  return std::make_unique<MpiCommunicator>(name, identity, std::move(comm));
}

void set_mpi_limits(Communicator& group, const MpiLimits& limits) {
  auto* over_mpi = dynamic_cast<MpiCommunicator*>(&group);
  LCKV_CHECK(over_mpi != nullptr, group.name() + " does not run over MPI");
  over_mpi->set_limits(limits);
}

}  // namespace lckv::comm
