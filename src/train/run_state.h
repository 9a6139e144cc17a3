#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lckv/comm/world.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// Where a run stands between two steps, beside its tensors.
struct RunPosition {
  int64_t step = 0;             // updates done or skipped
  int64_t updates = 0;          // updates applied: the exponent of Adam's bias corrections
  int64_t sequences = 0;        // position in the token stream
  int64_t skipped_in_row = 0;   // non-finite steps just before
  bool validation_due = false;  // the validation after this step was interrupted
};

/// Names the training tokens: a run is continued on the very same ones.
std::string data_fingerprint(const std::vector<std::string>& stores);

/// Saves masters, both moments, position and resolved config as `<run>/step-<step>`; see
/// checkpoint/state.h. Collective: the ranks' parts go to rank 0 tensor by tensor, which writes
/// whole tensors, so that any other grid can continue.
///
///   data   data_fingerprint() of the training stores when they were opened: what is trained on,
///          whatever lies at their paths by now
void save_run(const std::filesystem::path& run_folder, const Trainer& trainer, Stream& stream,
              const RunPosition& position, const config::RunConfig& config,
              const std::string& data);

/// Continues the newest whole state of the folder, whatever grid saved it: fills masters, weights
/// and moments, each rank reading its part. Nothing when there is none. Collective.
/// Throws ConfigError naming each key in which the saved run differs and that would change its
/// numbers; DataError when every saved state is damaged.
std::optional<RunPosition> resume_run(comm::World& world, const std::filesystem::path& run_folder,
                                      Trainer& trainer, Stream& stream,
                                      const config::RunConfig& config);

/// Every key of a run file and its value as text, what a saved state records of its configuration.
using ConfigTexts = std::map<std::string, std::string>;
ConfigTexts config_texts(const config::RunConfig& config);

/// The keys in which two configs differ so that continuing one as the other would not be the same
/// run: "optimizer.lr: 0.001, the saved run has 0.0003". Keys that leave the numbers alone
/// (threads, intervals, prefetch, output ...) may differ.
std::vector<std::string> differences_that_matter(const ConfigTexts& now, const ConfigTexts& saved);

}  // namespace lckv::train
