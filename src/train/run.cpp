#include "lckv/train/run.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>

#include "lckv/base/activity.h"
#include "lckv/base/log.h"
#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/train/data_fingerprint.h"
#include "lckv/train/device.h"
#include "lckv/train/evaluation_data.h"
#include "lckv/train/kernel_choice.h"
#include "lckv/train/lr_schedule.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_evaluation.h"
#include "lckv/train/run_inputs.h"
#include "lckv/train/run_lock.h"
#include "lckv/train/run_memory.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_report.h"
#include "lckv/train/run_saver.h"
#include "lckv/train/run_start.h"
#include "lckv/train/run_status.h"
#include "lckv/train/run_watch.h"
#include "lckv/train/step_profile.h"
#include "lckv/train/watch_rows.h"

namespace lckv::train {

namespace {

model::TokenBatch view_of(const data::Batch& batch) {
  return {batch.tokens, batch.targets, batch.first_key};
}

/// A loss of the other kind is none to compare with: the first one of a kind is the best.
bool is_better(const ValidationMark& now, const std::optional<ValidationMark>& best) {
  if (!std::isfinite(now.loss)) return false;
  return !best || best->is_exact != now.is_exact || now.loss < best->loss;
}

/// One run from its start or last saved state to its end.
class Run {
 public:
  Run(comm::World& world, const config::RunConfig& config, const std::atomic<bool>& asked_to_stop)
      : world_(world),
        config_(config),
        watch_(world, config, asked_to_stop),
        device_(join_device(world, config.train.device)),
        ranks_(join_grid(world, config, device_)),
        threads_(use_threads(world, config)),
        dtype_(resolve_precision(config.train.precision, device_)),
        stream_(device_),
        spikes_(config.guards) {}

  RunResult go() {
    const bool opened = unless_stopped([&] {
      open_inputs();
      in_start_up([&] {
        if (writes()) lock_.emplace(config_.output);
      });
    });
    if (opened) train_in_folder();
    return result_;
  }

 private:
  bool writes() const { return ranks_.grid.rank == 0; }
  bool due(int64_t every_steps) const {
    return every_steps > 0 && position_.step % every_steps == 0;
  }
  bool is_last() const { return position_.step == config_.train.steps; }

  /// With a page about it in the run's folder.
  void train_in_folder() {
    status_.emplace(RunStatus::Facts{config_.output, world_.host(), ranks_.grid.ranks(),
                                     to_string(ranks_.grid), config_.train.steps},
                    writes());
    const RunWatch::Shown shown(watch_, *status_);
    status_->guard([&] {
      if (unless_stopped([&] { start(); })) loop_and_tell();
    });
    status_->end(result_.stopped ? RunState::kStopped : RunState::kFinished, result_.reason);
  }

  /// False when a stop request ended the start-up: there is nothing to save.
  bool unless_stopped(const std::function<void()>& start_up) {
    try {
      start_up();
      return true;
    } catch (const Error& error) {
      if (error.exit_code() != ExitCode::kInterrupted) throw;
    }
    result_.stopped = true;
    result_.in_start_up = true;
    result_.reason = watch_.agreed_reason();
    return false;
  }

  /// A stage of the start-up, on every rank; what one of them misses is told by all. A stop request
  /// ends it between two stages, and where `work` looks.
  void in_start_up(const std::function<void()>& work) {
    comm::together(world_, [&] {
      if (watch_.stop()) throw Interrupted("stopped before the first step");
      note_progress();
      work();
    });
  }

  void open_inputs() {
    in_start_up([&] {
      inputs_.emplace(config_, ranks_.grid);
      data_ = data_fingerprint(config_.data.train);
    });
    require_equal_runs(world_, config_);
    if (!config_.eval.is_on()) return;
    in_start_up([&] { evaluation_.emplace(config_, inputs_->micro.B, threads_); });
    comm::require_equal_texts(world_, "what is evaluated", evaluation_->fingerprint);
  }

  void start() {
    in_start_up([&] { choose_kernels(config_, config_.output, device_, ranks_.grid.rank); });
    reset_peak_resident();
    used_before_bytes_ = used_bytes(device_);
    in_start_up([&] { memory_.emplace(config_, dtype_, ranks_, device_); });
    in_start_up([&] { memory_->allocate(stream_); });
    saver_.emplace(world_, config_, trainer(), memory_->objects().snapshot.get());
    position_ = start_or_continue(world_, config_, trainer(), stream_, record(), watch_.stop());
    spikes_.restore(position_.spikes);
    inputs_->train.seek(position_.sequences);
    first_step_ = position_.step;
    const MetricsRow planned =
        planned_memory_row(position_.step, memory_->planned(), *ranks_.world);
    in_start_up([&] {
      if (writes()) {
        checkpoint::write_file_atomically(std::filesystem::path(config_.output) / "config.yaml",
                                          config::to_yaml(config_));
      }
      report_.emplace(config_, memory_->rates(), position_, writes(), *status_);
      report_->begin(record(), planned);
      if (!evaluation_) return;
      for (const std::string& warning : evaluation_->warnings) report_->warn(warning);
    });
    status_->begin();
  }

  Trainer& trainer() { return memory_->objects().trainer; }
  RunRecord record() {
    return make_record(trainer(), position_, config_, data_,
                       inputs_->train.tokenizer_info().tokenizer_sha256);
  }

  /// Whether any rank was told to stop: all do, between the same two micro-batches. A save that
  /// failed behind them is thrown here, on all of them.
  bool stopped() {
    enum : int32_t { kGoOn, kStop, kSaveFailed };
    int32_t state = saver_->failed() ? kSaveFailed : watch_.stop() ? kStop : kGoOn;
    Stream host;  // the device's queue need not be empty for it
    ranks_.world->all_reduce(host, View(&state, DType::kI32, {1}), comm::ReduceOp::kMax, "stop");
    if (state == kSaveFailed) finish_saves();
    note_progress();
    return state == kStop;
  }

  void loop_and_tell() {
    const RunWatch::OnStall told(watch_,
                                 [this](const std::string& message) { report_->stalled(message); });
    try {
      loop();
    } catch (const std::exception& error) {
      report_->failed(error);
      throw;
    }
  }

  void loop() {
    result_.validation_loss = std::numeric_limits<double>::quiet_NaN();
    watch_.enter(RunState::kTraining);
    if (position_.validation_due) make_up_for_evaluation();
    while (!is_last() && !stopped()) {
      if (!one_step()) break;
      const bool improved =
          evaluate(due(config_.validation.every_steps) || is_last(), tasks_are_due());
      if (is_last() || (improved && config_.checkpoint.keep_best)) {
        save();
      } else if (due(config_.checkpoint.every_steps)) {
        save(config_.checkpoint.when_busy);
      }
    }
    result_.stopped = !is_last() || position_.validation_due;
    finish();
  }

  void finish() {
    report_->finish_line();
    result_.graph_launches = trainer().network().graph_launches();
    if (result_.stopped) {
      result_.reason = watch_.agreed_reason();
      save();
    }
    result_.step = position_.step;
    const RunWatch::Phase phase(watch_, RunState::kSaving);
    finish_saves();
    report_saves();
    ranks_.world->barrier("run is saved");  // before any rank says that the run has ended
    report_->ended(result_.stopped ? RunEventKind::kStopped : RunEventKind::kFinished,
                   result_.reason);
    log_info(format("peak memory{} {}, planned {}",
                    device_.kind == DeviceKind::kCpu ? "" : " in use on the GPU",
                    human_bytes(double(used_bytes(device_))),
                    human_bytes(double(memory_->planned_bytes()))));
  }

  /// False when a signal came inside the step: then nothing of it has happened.
  bool one_step() {
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
    std::optional<Spike> spike;
    const auto accept = [&](double loss, double grad_norm) {
      spike = spikes_.look(loss, grad_norm);
      return !spike || !config_.guards.skip_spikes;
    };
    StepProfile profile(ranks_, is_profiled(config_.watch, first_step_, position_.step + 1));
    StepResult step;
    try {
      step = trainer().step(stream_, next, count, scored, config_.optimizer, lr,
                            position_.updates + 1, accept);
    } catch (const Interrupted&) {
      return false;
    }
    if (profile.is_on()) stream_.synchronize();  // else the last updates are under way on a GPU
    const double step_s = watch.elapsed_s();
    std::optional<StepTimes> times;
    if (profile.is_on()) times = profile.take(step_s);
    finish_step(step, spike, step_s);
    measure(times);
    return true;
  }

  /// Where a profiled step's time went, and the memory that is used by then and at the end.
  void measure(const std::optional<StepTimes>& times) {
    if (times) report_->write(time_row(position_.step, *times));
    if (!times && !is_last()) return;
    const int64_t taken_bytes = used_bytes(device_) - used_before_bytes_;
    report_->write(measured_memory_row(position_.step, taken_bytes, *ranks_.world));
  }

  void finish_step(const StepResult& step, const std::optional<Spike>& spike, double step_s) {
    ++position_.step;
    position_.updates += step.updated ? 1 : 0;
    position_.skipped += step.updated ? 0 : 1;
    position_.sequences = inputs_->train.position();
    position_.lr = step.lr;
    position_.spikes = spikes_.state();
    const bool is_finite = step.outcome != StepOutcome::kNotFinite;
    position_.nonfinite_in_row = is_finite ? 0 : position_.nonfinite_in_row + 1;
    result_.loss = step.loss;
    report_saves();
    watch_.show_health();
    report_->step(position_, step, step_s);
    if (spike) report_->spike(position_, *spike, step.updated);
    if (!is_finite) report_->not_finite(position_, step);
  }

  bool tasks_are_due() const { return due(config_.eval.every_steps) || is_last(); }

  /// What the state that this run continues from misses. It is saved anew, as one that has it.
  void make_up_for_evaluation() {
    evaluate(true, tasks_are_due());
    if (!position_.validation_due) save();
  }

  /// Scores the state on the validation data and the tasks, if there are any. Whether the
  /// validation loss fell below all before. When a stop request comes in between, both stay due and
  /// a continued run begins with them.
  bool evaluate(bool on_validation, bool on_tasks) {
    on_validation = on_validation && inputs_->validation;
    on_tasks = on_tasks && evaluation_ && !evaluation_->tasks.empty();
    position_.validation_due = on_validation || on_tasks;
    bool improved = false;
    try {
      if (on_validation) improved = validate();
      if (on_tasks) ask_tasks();
    } catch (const Interrupted&) {
      return improved;
    } catch (const comm::AgreedError&) {
      save_before_throwing();  // damaged validation data must not cost the training
      throw;
    } catch (const Error&) {
      if (ranks_.grid.ranks() == 1) save_before_throwing();  // one rank of several cannot
      throw;
    }
    position_.validation_due = false;
    return improved;
  }

  bool validate() {
    const RunWatch::Phase phase(watch_, RunState::kValidating);
    RunObjects& objects = memory_->objects();
    const Validation validation = train::validate(
        stream_, *objects.scorer, objects.evaluation ? objects.evaluation->exact() : nullptr,
        trainer().weights(), *inputs_->validation, evaluation_ ? &*evaluation_ : nullptr, ranks_,
        watch_.stop());
    position_.validation = {position_.step, validation.own.mean_nll};
    const ValidationMark now{position_.step, validation.choosing_loss(),
                             validation.exact.has_value()};
    const bool improved = is_better(now, position_.best);
    if (improved) position_.best = now;
    result_.validation_loss = validation.own.mean_nll;
    report_->validated(position_, validation);
    return improved;
  }

  void ask_tasks() {
    const RunWatch::Phase phase(watch_, RunState::kEvaluating);
    report_->evaluated(position_, train::ask_tasks(stream_, *memory_->objects().evaluation->tasks(),
                                                   *evaluation_, watch_.stop()));
  }

  /// What is to stand when the run ends or is looked for later is never skipped: hence kWait.
  void save(config::WhenBusy when_busy = config::WhenBusy::kWait) {
    if (saved_step_ == position_.step) return;
    const RunWatch::Phase phase(watch_, RunState::kSaving);
    report_->finish_line();
    report_saves();
    comm::together(world_, [&] {
      if (lock_) lock_->require_held();
    });
    const Stopwatch sync;
    report_->sync();
    const double synced_s = sync.elapsed_s();
    SaveCost cost;
    saving([&] { cost = saver_->save(stream_, record(), when_busy); });
    cost.waited_s += synced_s;
    if (!cost.skipped) saved_step_ = position_.step;
    report_->save_started(position_, cost);
    report_saves();
  }

  void save_before_throwing() {
    save();
    finish_saves();
    report_saves();
  }

  void finish_saves() {
    saving([&] { saver_->finish(); });
  }

  void saving(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      report_->save_failed(error.what());
      throw;
    }
  }

  /// Of saves that have come to stand meanwhile.
  void report_saves() {
    while (const auto done = saver_->take_done()) report_->save_done(*done);
  }

  comm::World& world_;
  const config::RunConfig& config_;
  RunWatch watch_;
  Device device_;
  comm::Communicators ranks_;
  int threads_;
  DType dtype_;
  Stream stream_;
  std::optional<RunInputs> inputs_;
  std::string data_;                          // fingerprint of the training stores as opened
  std::optional<EvaluationData> evaluation_;  // where section `eval:` asks for any
  // The background save that saver_ waits for at its end still needs the two: nobody else may
  // write into the folder before.
  std::optional<RunLock> lock_;
  std::optional<RunStatus> status_;
  std::optional<RunMemory> memory_;
  std::optional<RunSaver> saver_;  // reads the memory until it is gone
  std::optional<RunReport> report_;
  SpikeDetector spikes_;
  RunPosition position_;
  int64_t first_step_ = 0;         // where this process began
  int64_t used_before_bytes_ = 0;  // by this process, before its planned memory
  int64_t saved_step_ = -1;
  RunResult result_;
};

}  // namespace

RunResult run_training(comm::World& world, const config::RunConfig& config,
                       const std::atomic<bool>& stop) {
  return Run(world, config, stop).go();
}

}  // namespace lckv::train
