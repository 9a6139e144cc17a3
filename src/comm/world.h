#pragma once

#include <memory>
#include <string>

#include "lckv/base/error.h"
#include "lckv/comm/communicator.h"
#include "lckv/comm/waiting.h"

namespace lckv::comm {

class Mailbox;

/// The processes that a launcher (mpirun, srun) started together, or this one alone. One per
/// process, made first and destroyed last.
class World {
 public:
  /// Joins them through MPI when a launcher's variables are set (Open MPI, PMIx, PMI, or a Slurm
  /// step of several tasks); else this process is a world of one and MPI is not touched.
  ///
  /// Throws CommError when MPI cannot be initialised with thread support, or sees another number of
  /// processes than the launcher started (srun without --mpi=pmix: each would train alone).
  static World join();
  /// A world of this process alone, whatever a launcher says.
  static World alone();
  ~World();
  World(World&&) noexcept;
  World& operator=(World&&) = delete;

  int rank() const;
  int size() const;
  /// Among the processes of this machine: chooses devices and cores, never the global rank.
  int local_rank() const;
  int local_size() const;
  const std::string& host() const;
  /// "rank 3 (node17)"; "" in a world of one: begins every message of a rank.
  std::string describe_rank() const;

  /// Collective: the group of the ranks that pass the same `color`, ordered by rank.
  std::unique_ptr<Communicator> split(const std::string& name, int color,
                                      Waiting waiting = Waiting::kPrompt);
  /// The same, for views in the memory of `device` too: see make_nccl_communicator.
  std::unique_ptr<Communicator> split_over_nccl(const std::string& name, int color, Device device);
  /// Collective: the group of the ranks of this machine, ordered by rank.
  std::unique_ptr<Communicator> split_by_machine(const std::string& name);
  /// All ranks.
  Communicator& all();

  /// Ends every process of the world with this exit code. In a world of one the process ends.
  [[noreturn]] void abort(ExitCode code);
  /// The same, from any thread, without writing out what streams still hold: the main thread may
  /// hang inside one and keep it locked.
  [[noreturn]] void abort_unflushed(ExitCode code);

 private:
  friend class Watchdog;
  struct State;
  explicit World(std::unique_ptr<State> state);
  /// Of the watchdog of this world; nullptr in a world of one.
  Mailbox* mailbox();
  std::unique_ptr<State> state_;
};

}  // namespace lckv::comm
