#pragma once

#include <string>
#include <vector>

#include "lckv/comm/communicator.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// What one rank's collectives of one kind of place send in a training step.
struct CommunicationRow {
  std::string group;  // "tp", "dp", "kv", "world"
  std::string label;
  comm::CollectiveKind kind = comm::CollectiveKind::kAllReduce;
  int64_t calls = 0;
  int64_t sent_bytes = 0;  // comm::sent_bytes(): the least that any algorithm sends
};

/// Derived from the plan, the parameter table and the grid, without running anything: a planned
/// trainer will do. Equals what the communicators count in Trainer::step(). Groups of one are left
/// out.
std::vector<CommunicationRow> communication_per_step(const Trainer& trainer, int64_t micro_batches);

/// One line per row and the total.
std::string to_text(const std::vector<CommunicationRow>& rows);

}  // namespace lckv::train
