#pragma once

#include <cstdint>

namespace lckv {

/// What this process does, for whoever watches it from another thread: the main thread says what it
/// begins, long work says that it gets on. Every function may be called from any thread; writers
/// take no lock.

/// From now on the process does this: "training", "saving", "reading the saved state". Counts as
/// progress. `phase` is a literal: it is kept, not copied. Before the first call it is "starting".
void note_activity(const char* phase);

/// The work gets on: called once for each micro-batch, batch or chunk of a file (tens of
/// nanoseconds). A process that reads a file for half an hour and says so is slow; one that is
/// silent as long hangs.
void note_progress();

/// note_activity() for its own life; afterwards the phase is what it was.
class ActivityScope {
 public:
  explicit ActivityScope(const char* phase);
  ~ActivityScope();
  ActivityScope(const ActivityScope&) = delete;
  ActivityScope& operator=(const ActivityScope&) = delete;

 private:
  const char* before_;
};

struct Activity {
  const char* phase;
  double idle_s;     // since the last progress
  int64_t progress;  // how often there was some
};
Activity current_activity();

}  // namespace lckv
