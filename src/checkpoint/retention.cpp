#include "lckv/checkpoint/retention.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_folder.h"

namespace lckv::checkpoint {

std::vector<StateFolder> superfluous_states(const std::vector<StateFolder>& states,
                                            int64_t newest_step, const Retention& retention) {
  std::vector<StateFolder> sorted = states;
  std::sort(sorted.begin(), sorted.end(),
            [](const StateFolder& a, const StateFolder& b) { return a.step > b.step; });
  std::vector<StateFolder> superfluous;
  int64_t kept = 0;
  for (const StateFolder& state : sorted) {
    if (state.step > newest_step) continue;
    const bool is_recent = retention.keep_last <= 0 || kept++ < retention.keep_last;
    const bool is_milestone =
        retention.keep_every_steps > 0 && state.step % retention.keep_every_steps == 0;
    if (is_recent || is_milestone || state.step == retention.best_step) continue;
    superfluous.push_back(state);
  }
  std::reverse(superfluous.begin(), superfluous.end());
  return superfluous;
}

void remove_superfluous_states(const std::filesystem::path& run_folder, int64_t newest_step,
                               const Retention& retention) {
  for (const StateFolder& state :
       superfluous_states(list_state_folders(run_folder), newest_step, retention)) {
    try {
      remove_folder(state.path);
    } catch (const IoError& error) {
      log_warning(format("{} stays: {}", state.path.string(), error.what()));
    }
  }
}

}  // namespace lckv::checkpoint
