#pragma once

#include <atomic>
#include <filesystem>
#include <optional>

#include "lckv/train/run_record.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// Continues the newest whole state of the folder, whatever grid saved it: fills masters, moments
/// and weights, each rank reading the bytes of its own part alone. Nothing when there is no state.
/// Collective over the grid of the trainer, on every rank of the world.
///
///   now   the record of this run at its start
///   stop  looked at while files are verified: Interrupted on every rank
///
/// Throws on every rank alike: ConfigError when the state is of another run (require_same_run);
/// DataError when every saved state is damaged, or the newest holds other tensors than this run.
std::optional<RunPosition> resume_run(const std::filesystem::path& run_folder, Trainer& trainer,
                                      Stream& stream, const RunRecord& now,
                                      const std::atomic<bool>& stop);

}  // namespace lckv::train
