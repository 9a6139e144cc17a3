#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <vector>

#include "lckv/comm/communicator.h"
#include "lckv/comm/fixed_text.h"
#include "lckv/comm/waiting.h"

namespace lckv::comm {

/// A group as every rank of its world knows it.
struct GroupIdentity {
  FixedText<16> name;  // "dp"
  Waiting waiting = Waiting::kPrompt;
  int32_t split = 0;  // number of the split that made it: the world counts alike on all ranks
  int32_t size = 1;
  int32_t first = 0;   // the world's rank of its rank 0
  int32_t stride = 0;  // its rank i is the world's first + i * stride; 0: no such rule

  bool operator==(const GroupIdentity& other) const {
    return split == other.split && first == other.first;
  }
};

/// The identity of the group whose rank i is the world's world_ranks[i].
GroupIdentity make_identity(const std::string& name, Waiting waiting, int split,
                            const std::vector<int>& world_ranks);

/// The rows of calls that a group has; each numbers its own. On a device, calls of both sorts run
/// one after the other.
enum class Lane : uint8_t { kBlocking, kStarted, kDevice };
const char* name(Lane lane);  // "blocking", ...

/// Where one lane of one group stands on this rank.
struct CollectiveState {
  GroupIdentity group;
  Lane lane = Lane::kBlocking;
  CollectiveKind kind = CollectiveKind::kBarrier;  // of the last call begun, as what follows
  bool under_way = false;                          // it has not ended yet
  bool main_waits = false;                         // the main thread does nothing but wait for it
  int64_t number = -1;                             // equal on all ranks; -1: none has begun yet
  int64_t bytes = 0;
  double age_s = 0;  // since it began
  FixedText<48> label;
};

/// A lane's entry in this process's log of collectives. Writing one takes tens of nanoseconds.
class CollectiveSlot {
 public:
  CollectiveSlot(const GroupIdentity& group, Lane lane);
  ~CollectiveSlot();
  CollectiveSlot(const CollectiveSlot&) = delete;
  CollectiveSlot& operator=(const CollectiveSlot&) = delete;

  /// By the thread that carries the calls out, one call at a time. Both are progress of this
  /// process (base/activity.h).
  void begin(const Collective& call, int64_t number);
  void end();
  /// For its own life the main thread waits for what was started here. (Blocking calls of a prompt
  /// group run in the main thread, and need no word of it.)
  class MainWaits {
   public:
    explicit MainWaits(CollectiveSlot& slot) : slot_(slot) { slot_.main_waits_ = true; }
    ~MainWaits() { slot_.main_waits_ = false; }
    MainWaits(const MainWaits&) = delete;
    MainWaits& operator=(const MainWaits&) = delete;

   private:
    CollectiveSlot& slot_;
  };

  CollectiveState state() const;
  /// Its age being counted up to that time of the monotonic clock.
  CollectiveState state_at(int64_t time_ns) const;

 private:
  CollectiveState last_;  // age_s and main_waits are not kept up
  int64_t begun_ns_ = 0;
  mutable std::mutex mutex_;  // of the two above
  std::atomic<bool> main_waits_{false};
};

/// Where every lane stands that has begun a call: those under way first, then the newest first.
/// From any thread, while groups come and go.
std::vector<CollectiveState> collectives_here();

}  // namespace lckv::comm
