#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/comm/communicator.h"

namespace lckv::checkpoint {

/// One save_state() to carry out.
struct SaveJob {
  std::filesystem::path run_folder;
  int64_t step = 0;
  std::vector<Shard> shards;  // must not change until the save is done: a snapshot
  std::string trainer_state_json;
  // on rank 0, when the state stands: removal of old ones; may be empty
  std::function<void()> after;
};

/// A state that has come to stand.
struct SaveDone {
  int64_t step = 0;
  double written_s = 0;  // from its start to the state standing
};

/// Saves beside the training, in a thread of its own, one job after the other. Every rank of the
/// group has one and starts the same jobs in the same order.
class BackgroundSaver {
 public:
  /// `group`: all ranks of the run, for this object's thread alone.
  explicit BackgroundSaver(std::unique_ptr<comm::Communicator> group);
  /// Finishes the job at hand; what it throws is lost unless wait() was called.
  ~BackgroundSaver();
  BackgroundSaver(const BackgroundSaver&) = delete;
  BackgroundSaver& operator=(const BackgroundSaver&) = delete;

  /// Call only when not busy() or after wait().
  void start(SaveJob job);
  /// Whether a job is under way on this rank; others may differ for a moment.
  bool busy() const;
  /// Whether a job has failed, which wait() will throw.
  bool failed() const;
  /// Returns when no job is under way and nothing of the last one is held any more. Throws what it
  /// threw, once: the same on every rank.
  void wait();
  /// The oldest state that has come to stand and was not taken yet; call until there is none.
  std::optional<SaveDone> take_done();

 private:
  void serve();
  void carry_out(const SaveJob& job);

  std::unique_ptr<comm::Communicator> group_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<SaveJob> job_;
  std::deque<SaveDone> done_;  // not taken yet
  std::exception_ptr error_;
  bool busy_ = false;
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace lckv::checkpoint
