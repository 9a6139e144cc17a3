#pragma once

#include <atomic>

#include "lckv/comm/world.h"
#include "lckv/train/run_record.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// Fills the trainer: from the newest saved state of `config.output`, else from the folder
/// train.init_from, else by train.seed. Says which, and the hash of the weights, which is the same
/// on every rank. Collective.
///
///   now    the record of this run at its start
///   stop   looked at between tensors and while files are read: Interrupted (AgreedError with its
///          exit code on several ranks)
///
/// Returns where the run stands. Throws as resume_run(), WeightReader.
RunPosition start_or_continue(comm::World& world, const config::RunConfig& config, Trainer& trainer,
                              Stream& stream, const RunRecord& now, const std::atomic<bool>& stop);

}  // namespace lckv::train
