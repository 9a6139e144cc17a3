#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace lckv::train {

enum class RunState {
  kStarting,
  kTraining,
  kValidating,
  kEvaluating,  // on tasks
  kSaving,
  kFinished,  // the last three are final
  kStopped,
  kFailed
};

/// "starting", ... "failed".
const char* name(RunState state);
bool is_final(RunState state);

/// What `status.json` tells: one JSON object in UTF-8. What is not known yet, or not finite, is
/// null. Times are ISO 8601 in UTC, "2026-11-26T10:55:36.123Z".
///
///   state                starting | training | validating | evaluating | saving | finished (all
///                        steps done) | stopped (to be continued by the same command) | failed
///   message              stopped: the reason, "signal SIGTERM"; failed: the error; else ""
///   pid, host            of rank 0, which writes the page
///   ranks, grid          their number; "dp 2 x tp 2"
///   started              the program, not the run: a continued run starts again
///   updated              when this page was written: every few seconds while rank 0 lives
///   progressed           when the run last told anything new: the end of a step, a change of state
///   step, steps          done over the whole run, skipped updates included; in all
///   loss, grad_norm, lr  of the last step
///   tokens               trained on over the whole run
///   tokens_per_s, eta_s  of the last step; seconds to the last step at the pace so far
///   last_save            {step, time, lost_s, written_s}: when it stood on the disk, how long
///                        training waited for it, how long it took in all
///   last_validation      {step, time, loss, exact_loss}: in the passes of training, and at the
///                        fixed point of the iterated layers where that is computed
///   best                 {step, loss, exact} of the lowest validation loss, which is the exact one
///                        where that is computed
///   health               {skipped_updates, spikes, slowest_rank, messages}: counts of this
///                        process; {rank, age_s}, the rank that was heard of longest ago; the
///                        newest warnings
///
/// A page whose state is not final but that was updated more than a minute ago is that of a dead
/// run; on its host the missing pid tells at once. One that is updated, but progressed long ago,
/// is that of a run that hangs, or has long steps.
struct StatusPage {
  using Time = std::chrono::system_clock::time_point;
  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

  struct Save {
    int64_t step = 0;
    Time time;
    double lost_s = kUnknown;
    double written_s = kUnknown;
  };
  struct Validation {
    int64_t step = 0;
    Time time;
    double loss = kUnknown;
    double exact_loss = kUnknown;
  };
  struct Best {
    int64_t step = 0;
    double loss = kUnknown;
    bool exact = false;
  };
  struct SlowestRank {
    int rank = 0;
    double age_s = 0;
  };
  struct Health {
    int64_t skipped_updates = 0;
    int64_t spikes = 0;
    std::optional<SlowestRank> slowest_rank;
    std::vector<std::string> messages;  // oldest first
  };

  RunState state = RunState::kStarting;
  std::string message;
  int64_t pid = 0;
  std::string host;
  int ranks = 1;
  std::string grid;
  Time started, updated, progressed;
  int64_t step = 0, steps = 0;
  double loss = kUnknown, grad_norm = kUnknown, lr = kUnknown;
  int64_t tokens = 0;
  double tokens_per_s = kUnknown, eta_s = kUnknown;
  std::optional<Save> last_save;
  std::optional<Validation> last_validation;
  std::optional<Best> best;
  Health health;
};

/// The page as the file holds it, indented, with a final line end. Bytes of texts that are no UTF-8
/// become U+FFFD.
std::string to_json(const StatusPage& page);

}  // namespace lckv::train
