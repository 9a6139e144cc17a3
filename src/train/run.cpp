#include "lckv/train/run.h"

#include <cmath>
#include <filesystem>
#include <limits>

#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/checkpoint/state.h"
#include "lckv/config/load.h"
#include "lckv/data/loader.h"
#include "lckv/kernels/table.h"
#include "lckv/model/flops.h"
#include "lckv/model/init.h"
#include "lckv/model/memory_report.h"
#include "lckv/train/exchange.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/lr_schedule.h"
#include "lckv/train/metrics.h"
#include "lckv/train/precision.h"
#include "lckv/train/progress.h"
#include "lckv/train/run_lock.h"
#include "lckv/train/run_setup.h"
#include "lckv/train/run_state.h"

namespace lckv::train {

namespace {

constexpr double kStartUpGemm_s = 0.5;

model::TokenBatch view_of(const data::Batch& batch) {
  return {batch.tokens, batch.targets, batch.first_key};
}

/// One run from its start or last saved state to its end.
class Run {
 public:
  Run(const config::RunConfig& config, const std::atomic<bool>& stop)
      : config_(config),
        stop_(stop),
        threads_(use_threads(config.train.threads)),
        dtype_(resolve_precision(config.train.precision)),
        micro_(micro_batches(config.train)),
        loader_(config.data, micro_.B),
        progress_(stderr_is_watched()) {
    require_vocabulary(loader_.tokenizer_info(), config.data.train.front());
    if (!config.data.validation.empty()) {
      validation_.emplace(config.data, micro_.B,
                          validation_tokens(config.validation.tokens, config.data.sequence_tokens));
      require_vocabulary(validation_->tokenizer_info(), config.data.validation.front());
      data::TokenStore(config.data.validation.front())
          .require_tokenizer(loader_.tokenizer_info().tokenizer_sha256, config.data.train.front());
    }
    require_special_tokens(loader_.tokenizer_info());
  }

  RunResult go() {
    const RunLock lock(config_.output);
    allocate();
    start_or_continue();
    checkpoint::write_file_atomically(std::filesystem::path(config_.output) / "config.yaml",
                                      config::to_yaml(config_));
    MetricsWriter metrics(config_.output + "/metrics.jsonl", static_cast<long>(position_.step));
    return loop(metrics);
  }

 private:
  static int64_t validation_tokens(int64_t tokens, int64_t T) {
    return tokens > 0 ? std::max(tokens, T) : 0;
  }

  void require_vocabulary(const data::TokenStoreInfo& info, const std::string& path) const {
    if (info.vocab_size <= config_.model.vocab_size) return;
    throw DataError(format("{}: made with a tokenizer of {} tokens, but model.vocab_size is {}",
                           path, info.vocab_size, config_.model.vocab_size));
  }

  /// Found now, not after the run when it is exported.
  void require_special_tokens(const data::TokenStoreInfo& info) const {
    const auto require = [&](const char* key, const std::optional<int64_t>& id, int64_t stored) {
      if (!id || *id == stored) return;
      throw ConfigError(format("model.{} is {}, but the tokenizer of {} has {}", key, *id,
                               config_.data.train.front(), stored));
    };
    require("bos_token_id", config_.model.bos_token_id, info.bos_id);
    require("eos_token_id", config_.model.eos_token_id, info.eos_id);
  }

  /// Plans, measures the matmul rate while the memory is still free, then allocates.
  void allocate() {
    Arena plan = Arena::planning();
    const RunObjects planned(plan, config_, dtype_);
    const model::Model& network = planned.trainer.network();
    executed_flops_per_token_ = model::executed_flops(network.plan(), network.dims()).total();
    useful_flops_per_token_ = model::useful_flops(network.dims()).total();
    log_info(format("memory planned before allocation:\n{}",
                    model::to_text(model::memory_report(plan))));
    const GemmRate rate = measure_gemm_rate(
        model::list_gemms(network.plan(), network.dims(), network.head_chunk_rows(), true), dtype_,
        kStartUpGemm_s);
    gemm_flops_per_s_ = rate.flops_per_s;
    log_info(format("matmul rate at this model's shapes: {}FLOP/s ({:.1f} s to measure)",
                    human_count(rate.flops_per_s), rate.measured_s));
    arena_.emplace(Arena::allocate(plan));
    objects_.emplace(*arena_, config_, dtype_);
    objects_->trainer.prepare(stream_);
    if (objects_->scorer) objects_->scorer->prepare(stream_);
  }

  void start_or_continue() {
    Trainer& trainer = objects_->trainer;
    log_info(format("{} on {} threads, {}; {} parameters; {}", ops::kernels({}).name, threads_,
                    name(dtype_), with_thousands(trainer.weights().table().element_count()),
                    model::is_plain_llama(trainer.network().plan().layers)
                        ? "plain Llama"
                        : format("layer_types {}, m = {}, b = {}", config_.model.layer_types,
                                 config_.model.forward_passes, config_.model.backward_passes)));
    if (const auto resumed = resume_run(config_.output, trainer, stream_, config_)) {
      position_ = *resumed;
      log_info(format("continuing after step {} of {}", position_.step, config_.train.steps));
    } else if (!config_.train.init_from.empty()) {
      start_from_folder(trainer);
    } else {
      trainer.initialize(stream_, config_.train.seed);
    }
    log_info(format("weights at step {}: hash {:016x}", position_.step,
                    model::content_hash(trainer.weights())));
    loader_.seek(position_.sequences);
  }

  void start_from_folder(Trainer& trainer) {
    const std::string& folder = config_.train.init_from;
    const std::string spec = hf_tokenizer_spec(folder);
    if (!spec.empty()) {
      const std::string sha256 = data::load_tokenizer(spec)->sha256();
      for (const std::string& store : config_.data.train) {
        data::TokenStore(store).require_tokenizer(sha256, folder);
      }
    }
    import_weights(folder, config_.model,
                   config_.train.init_kv == "average" ? KvInit::kAverage : KvInit::kCopy,
                   trainer.masters());
    trainer.publish_masters(stream_);
    log_info(format("weights from {}", folder));
  }

  RunResult loop(MetricsWriter& metrics) {
    RunResult result;
    result.validation_loss = std::numeric_limits<double>::quiet_NaN();
    first_step_ = position_.step;
    Stopwatch since_start;
    if (position_.validation_due) validate(metrics, result);
    while (position_.step < config_.train.steps && !stop_) {
      if (!one_step(metrics, result, since_start)) break;
      const bool last = position_.step == config_.train.steps;
      if (due(config_.validation.every_steps) || last) validate(metrics, result);
      if (due(config_.train.save_every_steps) || last) save();
    }
    progress_.finish();
    result.step = position_.step;
    result.stopped = position_.step < config_.train.steps || position_.validation_due;
    if (result.stopped) save();
    log_info(format("peak memory {}, planned {} for tensors",
                    human_bytes(double(peak_resident_bytes())),
                    human_bytes(double(arena_->bytes()))));
    return result;
  }

  bool due(int64_t every_steps) const {
    return every_steps > 0 && position_.step % every_steps == 0;
  }

  /// False when a signal came inside the step: then nothing of it has happened.
  bool one_step(MetricsWriter& metrics, RunResult& result, const Stopwatch& since_start) {
    const Stopwatch watch;
    std::vector<data::Batch> batches;
    int64_t scored = 0;
    for (int64_t i = 0; i < micro_.per_step; ++i) {
      batches.push_back(loader_.next());
      scored += batches.back().scored_targets;
    }
    const double lr =
        learning_rate(config_.schedule, config_.optimizer.lr, config_.train.steps, position_.step);
    const auto next = [&](int64_t i) {
      if (stop_) throw Interrupted("stopped inside a step");
      return view_of(batches[static_cast<size_t>(i)]);
    };
    StepResult step;
    try {
      step = objects_->trainer.step(stream_, next, micro_.per_step, scored, config_.optimizer, lr,
                                    position_.updates + 1);
    } catch (const Interrupted&) {
      return false;
    }
    result.loss = step.loss;
    finish_step(step, watch.elapsed_s(), since_start.elapsed_s(), metrics);
    return true;
  }

  void finish_step(const StepResult& step, double step_s, double elapsed_s,
                   MetricsWriter& metrics) {
    ++position_.step;
    position_.updates += step.updated ? 1 : 0;
    position_.sequences = loader_.position();
    position_.skipped_in_row = step.updated ? 0 : position_.skipped_in_row + 1;

    const model::Dims& d = objects_->trainer.network().dims();
    const double tokens = static_cast<double>(d.N() * micro_.per_step);
    ProgressPoint point;
    point.step = position_.step;
    point.steps = config_.train.steps;
    point.loss = step.loss;
    point.lr = step.lr;
    point.grad_norm = step.grad_norm;
    point.tokens_per_s = tokens / step_s;
    point.executed_frac = point.tokens_per_s * executed_flops_per_token_ / gemm_flops_per_s_;
    point.useful_frac = point.tokens_per_s * useful_flops_per_token_ / gemm_flops_per_s_;
    point.remaining_s = elapsed_s / static_cast<double>(position_.step - first_step_) *
                        static_cast<double>(point.steps - point.step);
    progress_.show(point);
    if (due(config_.train.log_every_steps) || position_.step == config_.train.steps) {
      metrics.write({{"step", static_cast<double>(point.step)},
                     {"loss", point.loss},
                     {"lr", point.lr},
                     {"grad_norm", point.grad_norm},
                     {"updated", step.updated ? 1.0 : 0.0},
                     {"tokens", static_cast<double>(position_.sequences * d.T)},
                     {"tokens_per_s", point.tokens_per_s},
                     {"executed_frac", point.executed_frac},
                     {"useful_frac", point.useful_frac},
                     {"step_s", step_s}});
    }
    if (!step.updated) report_skipped(step);
  }

  void report_skipped(const StepResult& step) {
    progress_.finish();
    log_warning(
        format("step {}: loss {}, gradient norm {}: not finite, update skipped ({} in a row)",
               position_.step, step.loss, step.grad_norm, position_.skipped_in_row));
    if (position_.skipped_in_row < config_.train.max_nonfinite_steps) return;
    throw Error(format("step {}: loss or gradient was not finite in {} steps in a row; what was "
                       "saved before is in {}",
                       position_.step, position_.skipped_in_row, config_.output),
                ExitCode::kDiverged);
  }

  /// When a stop request comes in between, the validation stays due and a continued run begins
  /// with it.
  void validate(MetricsWriter& metrics, RunResult& result) {
    if (!validation_) return;
    position_.validation_due = true;
    eval::PerplexityResult scored;
    try {
      scored = objects_->scorer->score(stream_, objects_->trainer.weights(), *validation_, &stop_);
    } catch (const Interrupted&) {
      return;
    } catch (const Error&) {
      save();  // damaged validation data must not cost the training
      throw;
    }
    position_.validation_due = false;
    result.validation_loss = scored.mean_nll;
    metrics.write({{"step", static_cast<double>(position_.step)},
                   {"validation_loss", scored.mean_nll},
                   {"validation_perplexity", scored.perplexity},
                   {"validation_tokens", static_cast<double>(scored.scored_tokens)}});
    progress_.finish();
    log_info(format("step {}: validation loss {:.4f}, perplexity {:.3f} over {} tokens ({:.1f} s)",
                    position_.step, scored.mean_nll, scored.perplexity,
                    with_thousands(scored.scored_tokens), scored.elapsed_s));
  }

  void save() {
    if (saved_step_ == position_.step) return;
    progress_.finish();
    save_run(config_.output, objects_->trainer, position_, config_);
    checkpoint::keep_last_states(config_.output, position_.step,
                                 static_cast<int>(config_.train.keep_states));
    saved_step_ = position_.step;
    log_info(format("saved state of step {} in {}", position_.step, config_.output));
  }

  const config::RunConfig& config_;
  const std::atomic<bool>& stop_;
  int threads_;
  DType dtype_;
  MicroBatches micro_;
  data::TrainLoader loader_;
  std::optional<data::ValidationLoader> validation_;
  ProgressLine progress_;
  Stream stream_;
  std::optional<Arena> arena_;
  std::optional<RunObjects> objects_;
  RunPosition position_;
  int64_t first_step_ = 0;
  int64_t saved_step_ = -1;
  double gemm_flops_per_s_ = 0;  // the peak that utilisations refer to
  double executed_flops_per_token_ = 0, useful_flops_per_token_ = 0;
};

}  // namespace

RunResult run_training(const config::RunConfig& config, const std::atomic<bool>& stop) {
  return Run(config, stop).go();
}

}  // namespace lckv::train
