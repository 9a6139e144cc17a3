#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"

namespace lckv::checkpoint {

void keep_last_states(const std::filesystem::path& run_folder, int64_t newest_step, int keep_last) {
  if (keep_last <= 0) return;
  int kept = 0;
  for (const StateFolder& state : list_state_folders(run_folder)) {
    if (state.step > newest_step) continue;
    if (kept < keep_last) {
      ++kept;
    } else {
      remove_folder(state.path);
    }
  }
}

}  // namespace lckv::checkpoint
