#pragma once

#include <memory>
#include <optional>

#include "lckv/config/run.h"
#include "lckv/eval/perplexity.h"
#include "lckv/train/evaluation_scorers.h"
#include "lckv/train/run_inputs.h"
#include "lckv/train/state_snapshot.h"
#include "lckv/train/trainer.h"

namespace lckv::train {

/// Everything of a training process that lives in its arena: trainer, scorer when there is
/// validation data, snapshot when saves are asynchronous. On a GPU the snapshot lies in host memory
/// of its own. Beside the arena, what section `eval:` asks for.
struct RunObjects {
  RunObjects(Arena& arena, const config::RunConfig& config, DType dtype,
             const comm::Communicators& ranks);

  Trainer trainer;
  std::unique_ptr<eval::Scorer> scorer;
  std::unique_ptr<EvaluationScorers> evaluation;
  std::unique_ptr<StateSnapshot> snapshot;

  /// Of the snapshot, beside a GPU.
  int64_t pinned_bytes() const { return snapshot_memory_ ? snapshot_memory_->bytes() : 0; }

 private:
  std::optional<Arena> snapshot_memory_;
};

/// Plans all memory of one rank of a run on its device without allocating it.
Arena plan_run_memory(const config::RunConfig& config, DType dtype,
                      const comm::Communicators& ranks, Device device = {});

}  // namespace lckv::train
