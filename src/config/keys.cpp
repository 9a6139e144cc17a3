#include "lckv/config/keys.h"

#include <algorithm>
#include <utility>

namespace lckv::config {
namespace {

constexpr double kMaxExtent = std::numeric_limits<int32_t>::max();
constexpr double kMaxLayers = 10000;
constexpr double kMaxPasses = 65536;  // P >= T changes nothing any more (spec/lckv.md 5, lemma)
constexpr double kMaxThreads = 4096;
constexpr double kMaxRanks = 65536;
constexpr double kMaxShots = 1024;

Range at_least(double min) { return {.min = min}; }
Range from_to(double min, double max) { return {.min = min, .max = max}; }
Range above(double min) { return {.min = min, .excludes_min = true}; }
Range from_to_below(double min, double max) {
  return {.min = min, .max = max, .excludes_max = true};
}
Range above_to(double min, double max) { return {.min = min, .max = max, .excludes_min = true}; }

/// words[i] is the name of the enumerator with value i.
template <class Enum>
Choice choice(Enum& field, std::vector<std::string> words) {
  return {words, [&field, words] { return words.at(static_cast<size_t>(field)); },
          [&field, words](const std::string& word) {
            const auto at = std::find(words.begin(), words.end(), word);
            field = static_cast<Enum>(at - words.begin());
          }};
}

Choice choice(std::string& field, std::vector<std::string> words) {
  return {std::move(words), [&field] { return field; },
          [&field](const std::string& word) { field = word; }};
}

std::vector<Key> keys_of(DataConfig& d) {
  return {{"data.train", &d.train, {}, Need::kRequired},
          {"data.validation", &d.validation},
          {"data.sequence_tokens", &d.sequence_tokens, from_to(1, kMaxExtent)},
          {"data.document_mask", &d.document_mask},
          {"data.seed", &d.seed},
          {"data.prefetch_batches", &d.prefetch_batches, from_to(1, 1024)}};
}

std::vector<Key> keys_of(TrainConfig& t) {
  return {{"train.steps", &t.steps, at_least(1), Need::kRequired},
          {"train.sequences_per_step", &t.sequences_per_step, from_to(1, kMaxExtent)},
          {"train.micro_batch_sequences", &t.micro_batch_sequences, from_to(0, kMaxExtent)},
          {"train.seed", &t.seed},
          {"train.device", choice(t.device, {"auto", "cpu", "cuda"})},
          {"train.precision", choice(t.precision, {"auto", "bf16", "fp32", "fp64"})},
          {"train.recompute", choice(t.recompute, {"none", "cheap", "block"})},
          {"train.attention", choice(t.attention, {"own", "cudnn"})},
          {"train.deterministic", &t.deterministic},
          {"train.graphs", &t.graphs},
          {"train.matmul_algorithms", &t.matmul_algorithms},
          {"train.threads", &t.threads, from_to(0, kMaxThreads)},
          {"train.init_from", &t.init_from},
          {"train.init_kv", choice(t.init_kv, {"copy", "average"})},
          {"train.log_every_steps", &t.log_every_steps, at_least(1)},
          {"train.time_limit_s", &t.time_limit_s, at_least(0)}};
}

std::vector<Key> keys_of(ParallelConfig& p) {
  return {{"parallel.tensor", &p.tensor, from_to(1, kMaxRanks)},
          {"parallel.data", IntegerOrAuto{&p.data}, from_to(1, kMaxRanks)},
          {"parallel.sequence", &p.sequence},
          {"parallel.device_comm", choice(p.device_comm, {"auto", "nccl", "mpi"})},
          {"parallel.oversubscribe", &p.oversubscribe}};
}

std::vector<Key> keys_of(OptimizerConfig& o) {
  return {{"optimizer.lr", &o.lr, above(0)},
          {"optimizer.beta1", &o.beta1, from_to_below(0, 1)},
          {"optimizer.beta2", &o.beta2, from_to_below(0, 1)},
          {"optimizer.eps", &o.eps, above(0)},
          {"optimizer.weight_decay", &o.weight_decay, at_least(0)},
          {"optimizer.clip_norm", &o.clip_norm, at_least(0)}};
}

std::vector<Key> keys_of(ScheduleConfig& s) {
  return {{"schedule.kind", choice(s.kind, {"constant", "linear", "cosine", "wsd"})},
          {"schedule.warmup_steps", &s.warmup_steps, at_least(0)},
          {"schedule.warmup_frac", &s.warmup_frac, from_to_below(0, 1)},
          {"schedule.final_lr_frac", &s.final_lr_frac, from_to(0, 1)},
          {"schedule.decay_frac", &s.decay_frac, above_to(0, 1)}};
}

std::vector<Key> keys_of(ValidationConfig& v) {
  return {{"validation.every_steps", &v.every_steps, at_least(0)},
          {"validation.tokens", &v.tokens, at_least(0)}};
}

std::vector<Key> keys_of(EvalConfig& e) {
  return {{"eval.every_steps", &e.every_steps, at_least(-1)},
          {"eval.tasks", &e.tasks},
          {"eval.task_data", &e.task_data},
          {"eval.task_files", &e.task_files},
          {"eval.fewshot_files", &e.fewshot_files},
          {"eval.questions", &e.questions},
          {"eval.num_fewshot", &e.num_fewshot, from_to(0, kMaxShots)},
          {"eval.limit", &e.limit, at_least(0)},
          {"eval.compat", choice(e.compat, {"lmeval-0.4.5", "lmeval-head"})},
          {"eval.exact_validation", choice(e.exact_validation, {"auto", "true", "false"})},
          {"eval.exact_tokens", &e.exact_tokens, at_least(0), Need::kNullable},
          {"eval.converge_eps", &e.converge_eps, at_least(0)},
          {"eval.kv_convergence", choice(e.kv_convergence, {"auto", "true", "false"})},
          {"eval.kv_exact_distance", &e.kv_exact_distance},
          {"eval.batch_tokens", &e.batch_tokens, from_to(1, kMaxExtent)}};
}

std::vector<Key> keys_of(CheckpointConfig& c) {
  return {{"checkpoint.every_steps", &c.every_steps, at_least(0)},
          {"checkpoint.asynchronous", &c.asynchronous},
          {"checkpoint.when_busy", choice(c.when_busy, {"wait", "skip"})},
          {"checkpoint.keep_last", &c.keep_last, from_to(0, 1000000)},
          {"checkpoint.keep_every_steps", &c.keep_every_steps, at_least(0)},
          {"checkpoint.keep_best", &c.keep_best}};
}

std::vector<Key> keys_of(GuardsConfig& g) {
  return {{"guards.max_nonfinite_steps", &g.max_nonfinite_steps, at_least(1)},
          {"guards.spike_window_steps", &g.spike_window_steps, from_to(0, 1000000)},
          {"guards.spike_deviations", &g.spike_deviations, above(0)},
          {"guards.skip_spikes", &g.skip_spikes},
          {"guards.stall_timeout_s", &g.stall_timeout_s, at_least(0)}};
}

std::vector<Key> keys_of(WatchConfig& w) {
  return {{"watch.tensorboard", &w.tensorboard},
          {"watch.profile_every_steps", &w.profile_every_steps, at_least(0)}};
}

}  // namespace

std::vector<Key> keys_of(ModelConfig& m) {
  return {
      {"model.from", &m.from},
      {"model.hidden_size", &m.hidden_size, from_to(1, kMaxExtent), Need::kRequired},
      {"model.intermediate_size", &m.intermediate_size, from_to(1, kMaxExtent), Need::kRequired},
      {"model.num_hidden_layers", &m.num_hidden_layers, from_to(1, kMaxLayers), Need::kRequired},
      {"model.num_attention_heads", &m.num_attention_heads, from_to(1, kMaxExtent),
       Need::kRequired},
      {"model.num_key_value_heads", &m.num_key_value_heads, from_to(0, kMaxExtent),
       Need::kNullable},
      {"model.head_dim", &m.head_dim, from_to(0, kMaxExtent), Need::kNullable},
      {"model.vocab_size", &m.vocab_size, from_to(1, kMaxExtent), Need::kRequired},
      {"model.max_position_embeddings", &m.max_position_embeddings, from_to(1, kMaxExtent)},
      {"model.rms_norm_eps", &m.rms_norm_eps, above(0)},
      {"model.rope_theta", &m.rope_theta, above(0)},
      {"model.tie_word_embeddings", &m.tie_word_embeddings},
      {"model.initializer_range", &m.initializer_range, at_least(0)},
      {"model.bos_token_id", &m.bos_token_id, at_least(0), Need::kNullable},
      {"model.eos_token_id", &m.eos_token_id, at_least(0), Need::kNullable},
      {"model.pad_token_id", &m.pad_token_id, at_least(0), Need::kNullable},
      {"model.layer_types", &m.layer_types, {}, Need::kNullable},
      {"model.forward_passes", &m.forward_passes, from_to(0, kMaxPasses)},
      {"model.backward_passes", &m.backward_passes, from_to(1, kMaxPasses)},
      {"model.sliding_window", &m.sliding_window, from_to(0, kMaxExtent)},
      {"model.force_nodiag", &m.force_nodiag},
      {"model.use_sequential", &m.use_sequential}};
}

std::vector<Key> keys_of(RunConfig& run) {
  std::vector<Key> keys = {{"output", &run.output, {}, Need::kRequired}};
  const auto append = [&keys](std::vector<Key> section) {
    std::move(section.begin(), section.end(), std::back_inserter(keys));
  };
  append(keys_of(run.model));
  append(keys_of(run.data));
  append(keys_of(run.train));
  append(keys_of(run.parallel));
  append(keys_of(run.optimizer));
  append(keys_of(run.schedule));
  append(keys_of(run.validation));
  append(keys_of(run.eval));
  append(keys_of(run.checkpoint));
  append(keys_of(run.guards));
  append(keys_of(run.watch));
  return keys;
}

std::string section_of(std::string_view path) {
  const size_t dot = path.find('.');
  return dot == std::string_view::npos ? "" : std::string(path.substr(0, dot));
}

std::string name_of(std::string_view path) {
  return std::string(path.substr(path.find('.') + 1));  // npos + 1 is 0: the whole path
}

}  // namespace lckv::config
