#pragma once

#include <memory>
#include <optional>

#include "lckv/config/run.h"
#include "lckv/eval/row_scorer.h"
#include "lckv/tensor/arena.h"

namespace lckv::train {

/// What evaluates a run on its own weights: they are read in place, and there is no other copy of
/// them. In memory of its own, beside the arena of the run.
class EvaluationScorers {
 public:
  /// `weights`, this rank's share, and `ranks` outlive it.
  ///
  ///   planning   on paper: nothing is allocated
  EvaluationScorers(const config::RunConfig& run, const model::ParameterSet& weights,
                    const comm::Communicators& ranks, Device device, bool planning);

  /// Once, unless planning.
  void prepare(Stream& stream);

  /// At the fixed point; null when no validation is scored there, or the model has no iterated
  /// layers.
  eval::RowScorer* exact() { return exact_.get(); }
  /// In the passes of training; null when there are no tasks.
  eval::RowScorer* tasks() { return tasks_.get(); }

  /// What the memory is made of.
  const std::vector<Arena::Piece>& pieces() const { return plan_.pieces(); }

 private:
  void place(Arena& arena, const config::RunConfig& run, const model::ParameterSet& weights,
             const comm::Communicators& ranks);

  Arena plan_;
  std::optional<Arena> memory_;
  std::unique_ptr<eval::RowScorer> exact_, tasks_;
};

}  // namespace lckv::train
