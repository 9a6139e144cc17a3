#include "lckv/train/run.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/checkpoint/state.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/kernels/table.h"
#include "lckv/model/flops.h"
#include "lckv/model/init.h"
#include "lckv/model/memory_report.h"
#include "lckv/train/exchange.h"
#include "lckv/train/gemm_rate.h"
#include "lckv/train/lr_schedule.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_inputs.h"
#include "lckv/train/run_lock.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_report.h"
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
  Run(comm::World& world, const config::RunConfig& config, const std::atomic<bool>& stop)
      : world_(world),
        config_(config),
        stop_(stop),
        ranks_(join_grid(world, config)),
        threads_(use_threads(world, config)),
        dtype_(resolve_precision(config.train.precision)) {}

  RunResult go() {
    // Every rank looks before any rank talks: what one of them misses is told by all.
    comm::together(world_, [&] {
      inputs_.emplace(config_, ranks_.grid);
      data_ = data_fingerprint(config_.data.train);
    });
    require_equal_runs(world_, config_);
    std::optional<RunLock> lock;
    comm::together(world_, [&] {
      if (writes()) lock.emplace(config_.output);
    });
    comm::together(world_, [&] { allocate(); });
    start_or_continue();
    comm::together(world_, [&] { open_report(); });
    return loop();
  }

 private:
  bool writes() const { return ranks_.grid.rank == 0; }

  /// Any rank's signal stops all, between the same two micro-batches.
  bool stopped() const { return comm::any_rank(*ranks_.world, stop_, "stop"); }

  /// Plans, measures the matmul rate while the memory is still free, then allocates.
  void allocate() {
    Arena plan = Arena::planning();
    const RunObjects planned(plan, config_, dtype_, ranks_);
    const model::Model& network = planned.trainer.network();
    rates_.executed_flops_per_token = model::executed_flops(network.plan(), network.dims()).total();
    rates_.useful_flops_per_token = model::useful_flops(network.dims()).total();
    rates_.tokens_per_step =
        static_cast<double>(config_.train.sequences_per_step * config_.data.sequence_tokens);
    log_info(format("memory planned before allocation{}:\n{}",
                    ranks_.grid.ranks() > 1 ? ", by each rank" : "",
                    model::to_text(model::memory_report(plan))));
    const GemmRate rate = measure_gemm_rate(
        model::list_gemms(network.plan(), network.dims(), network.head_chunk_rows(), true), dtype_,
        kStartUpGemm_s);
    rates_.gemm_flops_per_s = rate.flops_per_s * ranks_.grid.ranks();
    log_info(format("matmul rate at this model's shapes: {}FLOP/s{} ({:.1f} s to measure)",
                    human_count(rate.flops_per_s), ranks_.grid.ranks() > 1 ? " on rank 0" : "",
                    rate.measured_s));
    arena_.emplace(Arena::allocate(plan));
    objects_.emplace(*arena_, config_, dtype_, ranks_);
    objects_->trainer.prepare(stream_);
    if (objects_->scorer) objects_->scorer->prepare(stream_);
  }

  std::string describe_layout() const {
    if (model::is_plain_llama(objects_->trainer.network().plan().layers)) return "plain Llama";
    return format("layer_types {}, m = {}, b = {}", config_.model.layer_types,
                  config_.model.forward_passes, config_.model.backward_passes);
  }

  void start_or_continue() {
    Trainer& trainer = objects_->trainer;
    log_info(format("{} on {}{} threads, {}; {} parameters; {}", ops::kernels({}).name,
                    ranks_.grid.ranks() > 1
                        ? format("{} ranks ({}) of ", ranks_.grid.ranks(), to_string(ranks_.grid))
                        : "",
                    threads_, name(dtype_),
                    with_thousands(trainer.weights().table().element_count()), describe_layout()));
    if (const auto resumed = resume_run(world_, config_.output, trainer, stream_, config_)) {
      position_ = *resumed;
      log_info(format("continuing after step {} of {}", position_.step, config_.train.steps));
    } else if (!config_.train.init_from.empty()) {
      comm::together(world_, [&] { start_from_folder(trainer); });
    } else {
      trainer.initialize(stream_, config_.train.seed);
    }
    const std::string hash =
        format("{:016x}", model::content_hash(stream_, trainer.weights(), *ranks_.tp));
    comm::require_equal_texts(world_, "weights", hash);
    log_info(format("weights at step {}: hash {}", position_.step, hash));
    inputs_->train.seek(position_.sequences);
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
    const WeightReader reader(
        folder, config_.model,
        config_.train.init_kv == "average" ? KvInit::kAverage : KvInit::kCopy);
    trainer.set_weights(stream_, [&](const model::Parameter& parameter, View local) {
      reader.read(parameter, local);
    });
    log_info(format("weights from {}", folder));
  }

  void open_report() {
    if (writes()) {
      checkpoint::write_file_atomically(std::filesystem::path(config_.output) / "config.yaml",
                                        config::to_yaml(config_));
    }
    report_.emplace(config_, rates_, position_.step, writes());
  }

  RunResult loop() {
    RunResult result;
    result.validation_loss = std::numeric_limits<double>::quiet_NaN();
    if (position_.validation_due) validate(result);
    while (position_.step < config_.train.steps && !stopped()) {
      if (!one_step(result)) break;
      const bool last = position_.step == config_.train.steps;
      if (due(config_.validation.every_steps) || last) validate(result);
      if (due(config_.checkpoint.every_steps) || last) save();
    }
    report_->finish_line();
    result.step = position_.step;
    result.stopped = position_.step < config_.train.steps || position_.validation_due;
    if (result.stopped) save();
    ranks_.world->barrier("run is saved");  // before any rank says that the run has ended
    log_info(format("peak memory {}, planned {} for tensors",
                    human_bytes(double(peak_resident_bytes())),
                    human_bytes(double(arena_->bytes()))));
    return result;
  }

  bool due(int64_t every_steps) const {
    return every_steps > 0 && position_.step % every_steps == 0;
  }

  /// False when a signal came inside the step: then nothing of it has happened.
  bool one_step(RunResult& result) {
    const Stopwatch watch;
    const int64_t count = inputs_->micro.per_step;
    std::vector<data::Batch> batches;
    int64_t scored = 0;
    for (int64_t i = 0; i < count; ++i) {
      batches.push_back(inputs_->train.next());
      scored += batches.back().scored_targets;
    }
    const double lr =
        learning_rate(config_.schedule, config_.optimizer.lr, config_.train.steps, position_.step);
    const auto next = [&](int64_t i) {
      if (stopped()) throw Interrupted("stopped inside a step");
      return view_of(batches[static_cast<size_t>(i)]);
    };
    StepResult step;
    try {
      step = objects_->trainer.step(stream_, next, count, scored, config_.optimizer, lr,
                                    position_.updates + 1);
    } catch (const Interrupted&) {
      return false;
    }
    result.loss = step.loss;
    finish_step(step, watch.elapsed_s());
    return true;
  }

  void finish_step(const StepResult& step, double step_s) {
    ++position_.step;
    position_.updates += step.updated ? 1 : 0;
    position_.sequences = inputs_->train.position();
    position_.skipped_in_row = step.updated ? 0 : position_.skipped_in_row + 1;
    report_->step(position_, step, step_s);
    if (!step.updated) report_->skipped(position_, step);
  }

  /// When a stop request comes in between, the validation stays due and a continued run begins
  /// with it.
  void validate(RunResult& result) {
    if (!inputs_->validation) return;
    position_.validation_due = true;
    eval::PerplexityResult scored;
    try {
      scored = objects_->scorer->score(stream_, objects_->trainer.weights(), *inputs_->validation,
                                       &stop_);
    } catch (const Interrupted&) {
      return;
    } catch (const comm::AgreedError&) {
      save();  // damaged validation data must not cost the training
      throw;
    } catch (const Error&) {
      if (ranks_.grid.ranks() == 1) save();  // one rank of several cannot
      throw;
    }
    position_.validation_due = false;
    result.validation_loss = scored.mean_nll;
    report_->validated(position_, scored);
  }

  void save() {
    if (saved_step_ == position_.step) return;
    report_->finish_line();
    save_run(config_.output, objects_->trainer, stream_, position_, config_, data_);
    if (writes()) {
      checkpoint::keep_last_states(config_.output, position_.step,
                                   static_cast<int>(config_.checkpoint.keep_last));
    }
    saved_step_ = position_.step;
    report_->saved(position_);
  }

  comm::World& world_;
  const config::RunConfig& config_;
  const std::atomic<bool>& stop_;
  std::optional<Arena> arena_;  // outlives whatever works in it
  comm::Communicators ranks_;
  int threads_;
  DType dtype_;
  std::optional<RunInputs> inputs_;
  std::string data_;  // fingerprint of the training stores as opened
  Stream stream_;
  std::optional<RunObjects> objects_;
  std::optional<RunReport> report_;
  RunRates rates_;
  RunPosition position_;
  int64_t saved_step_ = -1;
};

}  // namespace

RunResult run_training(comm::World& world, const config::RunConfig& config,
                       const std::atomic<bool>& stop) {
  return Run(world, config, stop).go();
}

}  // namespace lckv::train
