#include "lckv/comm/world.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <thread>

#include <unistd.h>

#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/comm/launch.h"
#include "lckv/comm/mailbox.h"
#include "lckv/comm/mpi_communicator.h"
#include "lckv/comm/nccl_communicator.h"

namespace lckv::comm {

namespace {

/// At most: it tells the launcher, which may not answer.
constexpr auto kAbortTakes = std::chrono::seconds(5);

/// MPI between its start and its end. It is not ended while an exception unwinds: that waits for
/// the other ranks, which wait for this one.
class MpiSession {
 public:
  MpiSession() {
    int provided = 0;
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    if (provided >= MPI_THREAD_MULTIPLE) return;
    throw CommError(
        format("MPI gives thread level {}, but collectives beside computation need "
               "MPI_THREAD_MULTIPLE ({})",
               provided, MPI_THREAD_MULTIPLE));
  }
  ~MpiSession() {
    if (std::uncaught_exceptions() == 0) MPI_Finalize();
  }
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;
};

std::string library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  return split(split(text, '\n')[0], ',')[0];
}

void require_all(const Launch& launch, int size) {
  if (launch.tasks == 0 || launch.tasks == size) return;
  throw CommError(
      format("{} started {} processes, but MPI sees {}: start with the mpirun that belongs to {}, "
             "or with srun --mpi=pmix",
             launch.launcher, launch.tasks, size, library_version()));
}

}  // namespace

struct World::State {
  GroupIdentity next_identity(const std::string& name, const MpiComm& comm, Waiting waiting) {
    return make_identity(name, waiting, splits++, comm.ranks_in(*everyone));
  }
  std::unique_ptr<Communicator> make_group(const std::string& name, MpiComm comm, Waiting waiting) {
    const GroupIdentity identity = next_identity(name, comm, waiting);
    return make_mpi_communicator(name, identity, std::move(comm));
  }

  std::optional<MpiSession> session;  // before what lives in it
  std::optional<MpiComm> everyone;
  std::optional<Mailbox> mailbox;
  std::unique_ptr<Communicator> all;
  int splits = 0;  // groups made so far, counted alike on all ranks
  int local_rank = 0;
  int local_size = 1;
  std::string host;
};

World World::alone() {
  auto state = std::make_unique<State>();
  state->host = host_name();
  state->all = make_alone("world");
  return World(std::move(state));
}

World World::join() {
  const Launch launch = read_launch([](const char* name) { return std::getenv(name); });
  if (!launch.together) return alone();
  auto state = std::make_unique<State>();
  state->host = host_name();
  state->session.emplace();
  // Not MPI_COMM_WORLD itself, which cannot be freed.
  MPI_Comm everyone = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(MPI_COMM_WORLD, &everyone), "MPI_Comm_dup");
  state->everyone.emplace(everyone);
  require_all(launch, state->everyone->size());
  const MpiComm machine = state->everyone->split_by_machine();
  state->local_rank = machine.rank();
  state->local_size = machine.size();
  state->mailbox.emplace(*state->everyone);
  state->all = state->make_group("world", state->everyone->duplicate(), Waiting::kPrompt);
  return World(std::move(state));
}

World::World(std::unique_ptr<State> state) : state_(std::move(state)) {}
World::~World() = default;
World::World(World&&) noexcept = default;

int World::rank() const { return state_->all->rank(); }
int World::size() const { return state_->all->size(); }
int World::local_rank() const { return state_->local_rank; }
int World::local_size() const { return state_->local_size; }
const std::string& World::host() const { return state_->host; }

std::string World::describe_rank() const {
  return size() == 1 ? "" : format("rank {} ({})", rank(), host());
}

std::unique_ptr<Communicator> World::split(const std::string& name, int color, Waiting waiting) {
  if (size() == 1) return make_alone(name);
  return state_->make_group(name, state_->everyone->split(color), waiting);
}

std::unique_ptr<Communicator> World::split_over_nccl(const std::string& name, int color,
                                                     Device device) {
  if (size() == 1) return make_alone(name);
  MpiComm group = state_->everyone->split(color);
  const GroupIdentity identity = state_->next_identity(name, group, Waiting::kPrompt);
  return make_nccl_communicator(*this, name, identity, std::move(group), device);
}

std::unique_ptr<Communicator> World::split_by_machine(const std::string& name) {
  if (size() == 1) return make_alone(name);
  return state_->make_group(name, state_->everyone->split_by_machine(), Waiting::kPrompt);
}

Communicator& World::all() { return *state_->all; }

Mailbox* World::mailbox() { return state_->mailbox ? &*state_->mailbox : nullptr; }

void World::abort(ExitCode code) {
  std::fflush(nullptr);
  abort_unflushed(code);
}

void World::abort_unflushed(ExitCode code) {
  if (size() > 1) {
    // A launcher that has lost a process ends the others.
    std::thread([code] {
      std::this_thread::sleep_for(kAbortTakes);
      _exit(static_cast<int>(code));
    }).detach();
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
  }
  _exit(static_cast<int>(code));
}

}  // namespace lckv::comm
