#include "lckv/train/evaluation_scorers.h"

#include "lckv/model/layer_spec.h"
#include "lckv/train/exact_validation.h"

namespace lckv::train {

EvaluationScorers::EvaluationScorers(const config::RunConfig& run,
                                     const model::ParameterSet& weights,
                                     const comm::Communicators& ranks, Device device, bool planning)
    : plan_(Arena::planning(device)) {
  place(plan_, run, weights, ranks);
  if (planning) return;
  memory_.emplace(Arena::allocate(plan_));
  place(*memory_, run, weights, ranks);
}

void EvaluationScorers::place(Arena& arena, const config::RunConfig& run,
                              const model::ParameterSet& weights,
                              const comm::Communicators& ranks) {
  eval::RowScorer::Options options;
  options.batch_tokens = run.eval.batch_tokens;
  options.ranks = &ranks;
  if (validates_exactly(run) && model::is_iterated(run.model)) {
    options.mode = eval::ForwardMode::converge(converge_eps(run.eval, weights.dtype()));
    options.kv_probe.changes = tells_kv_convergence(run);
    if (options.kv_probe.changes && run.eval.kv_exact_distance) {
      options.kv_probe.distance_from = run.model.forward_passes + run.model.backward_passes;
    }
    exact_ = std::make_unique<eval::RowScorer>(arena, run.model, weights, options,
                                               run.data.sequence_tokens);
    options.kv_probe = {};
  }
  if (run.eval.is_on() && !(run.eval.tasks.empty() && run.eval.questions.empty())) {
    options.mode = eval::parse_forward_mode("iterate", run.model);
    tasks_ = std::make_unique<eval::RowScorer>(arena, run.model, weights, options,
                                               run.model.max_position_embeddings);
  }
}

void EvaluationScorers::prepare(Stream& stream) {
  if (exact_) exact_->prepare(stream);
  if (tasks_) tasks_->prepare(stream);
}

}  // namespace lckv::train
