#include <cmath>

#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/config/rules.h"

namespace lckv::config {
namespace {

void check_batch(const TrainConfig& t, Rules& rules) {
  if (!rules.sound({"train.micro_batch_sequences", "train.sequences_per_step"})) return;
  if (t.micro_batch_sequences == 0 || t.sequences_per_step % t.micro_batch_sequences == 0) return;
  rules.refuse("train.micro_batch_sequences",
               format("{} does not divide sequences_per_step {}", t.micro_batch_sequences,
                      t.sequences_per_step));
}

void check_context(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"data.sequence_tokens", "model.max_position_embeddings"})) return;
  if (run.data.sequence_tokens <= run.model.max_position_embeddings) return;
  rules.refuse("data.sequence_tokens",
               format("{} is more than model.max_position_embeddings {}", run.data.sequence_tokens,
                      run.model.max_position_embeddings));
}

void check_warmup(const ScheduleConfig& s, const TrainConfig& t, Rules& rules) {
  if (!rules.sound({"schedule.warmup_steps", "schedule.warmup_frac"})) return;
  if (s.warmup_steps > 0 && s.warmup_frac > 0) {
    rules.refuse("schedule.warmup_frac", format("{} and warmup_steps {} are both given; give one",
                                                s.warmup_frac, s.warmup_steps));
    return;
  }
  if (!rules.sound({"train.steps"})) return;
  const auto steps = static_cast<double>(t.steps);
  const double from_frac = std::ceil(s.warmup_frac * steps);
  if (s.warmup_steps >= t.steps) {
    rules.refuse("schedule.warmup_steps",
                 format("{} must be less than train.steps {}", s.warmup_steps, t.steps));
  } else if (from_frac >= steps) {
    rules.refuse("schedule.warmup_frac",
                 format("{} of train.steps {}, rounded up, leaves no step after the warm-up",
                        s.warmup_frac, t.steps));
  }
}

void check_decay(const ScheduleConfig& s, const TrainConfig& t, Rules& rules) {
  if (s.kind != Schedule::kWsd) return;
  if (!rules.sound({"schedule.kind", "schedule.warmup_steps", "schedule.warmup_frac",
                    "schedule.decay_frac", "train.steps"})) {
    return;
  }
  const double warmup = s.warmup_steps > 0
                            ? static_cast<double>(s.warmup_steps) / static_cast<double>(t.steps)
                            : s.warmup_frac;
  constexpr double kRounding = 1e-12;  // 0.8 + 0.2 must pass
  if (warmup + s.decay_frac <= 1 + kRounding) return;
  rules.refuse("schedule.decay_frac",
               format("{} of the run and its warm-up, {} of it, overlap", s.decay_frac, warmup));
}

void check_validation(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"validation.every_steps", "data.validation"})) return;
  if (run.validation.every_steps == 0 || !run.data.validation.empty()) return;
  rules.refuse("validation.every_steps",
               format("is {}, but data.validation names no store", run.validation.every_steps));
}

void check_checkpoint(const RunConfig& run, Rules& rules) {
  if (!rules.sound({"checkpoint.keep_best", "data.validation"})) return;
  if (!run.checkpoint.keep_best || !run.data.validation.empty()) return;
  rules.refuse("checkpoint.keep_best", "is true, but data.validation names no store");
}

void check_spikes(const GuardsConfig& g, Rules& rules) {
  if (!rules.sound({"guards.skip_spikes", "guards.spike_window_steps"})) return;
  constexpr int64_t kSmallestWindow = 8;  // a deviation of fewer numbers says nothing
  if (g.spike_window_steps > 0 && g.spike_window_steps < kSmallestWindow) {
    rules.refuse("guards.spike_window_steps",
                 format("is {}: 0 (off), or at least {}", g.spike_window_steps, kSmallestWindow));
  }
  if (!g.skip_spikes || g.spike_window_steps > 0) return;
  rules.refuse("guards.skip_spikes", "is true, but spike_window_steps is 0: none are looked for");
}

void check_sequential(const ModelConfig& model, Rules& rules) {
  if (!rules.sound({"model.use_sequential"}) || !model.use_sequential) return;
  rules.refuse("model.use_sequential", "true is for scoring and cannot be trained");
}

}  // namespace

std::vector<Problem> check_run(const RunConfig& run, const std::set<std::string>& unsound) {
  RunConfig copy = run;
  Rules rules(unsound);
  rules.check_each(keys_of(copy));
  check_model_rules(run.model, rules);
  check_sequential(run.model, rules);
  check_context(run, rules);
  check_batch(run.train, rules);
  check_parallel_rules(run, rules);
  check_warmup(run.schedule, run.train, rules);
  check_decay(run.schedule, run.train, rules);
  check_validation(run, rules);
  check_eval_rules(run, rules);
  check_checkpoint(run, rules);
  check_spikes(run.guards, rules);
  return rules.take_problems();
}

std::vector<std::string> validate(const RunConfig& run) { return messages_of(check_run(run)); }

}  // namespace lckv::config
