#include "lckv/train/bench_checkpoint.h"

#include <filesystem>
#include <optional>

#include "lckv/base/clock.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/page_cache.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"
#include "lckv/comm/agreement.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/tensor/buffer.h"
#include "lckv/train/scratch_folder.h"
#include "lckv/train/state_read_back.h"

namespace lckv::train {

namespace {

constexpr auto kLabel = "bench";

int64_t bytes_of(const std::vector<View>& parts) {
  int64_t bytes = 0;
  for (const View& part : parts) bytes += part.bytes();
  return bytes;
}

/// What StateSnapshot copies.
int64_t snapshot_bytes(const Trainer& trainer) {
  return bytes_of(trainer.owned_masters()) + bytes_of(trainer.owned_first_moments()) +
         bytes_of(trainer.owned_second_moments());
}

int64_t bytes_to_save(const Trainer& trainer) {
  int64_t bytes = 0;
  for (const checkpoint::Shard& shard : shards_to_save(trainer)) bytes += shard.view.bytes();
  return bytes;
}

/// Retention as in the middle of a long run: every save removes a state.
config::RunConfig saving_into(config::RunConfig config, const std::filesystem::path& folder) {
  config.output = folder.string();
  config.checkpoint = {.asynchronous = true, .keep_last = 1};
  return config;
}

/// Training that saves. Every function is collective over the world.
class CheckpointBench {
 public:
  CheckpointBench(comm::World& world, const config::RunConfig& config,
                  const std::atomic<bool>& stop)
      : stop_(stop),
        run_(world, config),
        synchronous_(world, run_.config(), run_.trainer(), nullptr),
        asynchronous_(world, run_.config(), run_.trainer(), run_.snapshot()) {}

  void describe(BenchCheckpointResult& result) {
    static_cast<BenchSubject&>(result) = run_.subject();
    for (const std::string& bytes :
         comm::gather_texts(all(), std::to_string(bytes_to_save(run_.trainer())))) {
      result.rank_bytes.push_back(std::stoll(bytes));
    }
    std::vector<double> largest = {double(snapshot_bytes(run_.trainer()))};
    take_slowest(all(), largest);
    result.snapshot_bytes = int64_t(largest[0]);
  }

  void warm_up(int64_t steps) {
    for (int64_t i = 0; i < steps; ++i) time_step();
  }

  /// Seconds of one step.
  double time_step() {
    comm::together(run_.world(), [&] {
      if (stop_) throw Interrupted("bench checkpoint: stopped between two steps");
    });
    return run_.time_steps(1).front();
  }

  MeasuredSave save_synchronously() { return save(synchronous_); }
  MeasuredSave save_asynchronously() { return save(asynchronous_); }

  /// Seconds of a few memory copies.
  std::vector<double> time_copies(int64_t bytes) {
    constexpr int kCopies = 3;
    const Buffer from(DType::kF32, {bytes / size_bytes(DType::kF32)});
    const Buffer to(DType::kF32, from.view().shape());
    std::vector<double> seconds;
    for (int i = -1; i < kCopies; ++i) {  // the first one warms up
      all().barrier(kLabel);
      const Stopwatch watch;
      ops::copy(run_.stream(), to.view(), from.view());
      run_.stream().synchronize();
      if (i >= 0) seconds.push_back(watch.elapsed_s());
    }
    take_slowest(all(), seconds);
    return seconds;
  }

 private:
  comm::Communicator& all() { return run_.world().all(); }

  RunRecord record() {
    RunPosition position;
    position.step = position.updates = run_.updates();
    return make_record(run_.trainer(), position, run_.config(), "random tokens", "");
  }

  MeasuredSave save(RunSaver& saver) {
    const ShardHashes at_save(shards_to_load(run_.trainer()));
    MeasuredSave measured;
    measured.step = run_.updates();
    all().barrier(kLabel);
    measured.cost = saver.save(run_.stream(), record());
    train_until_it_stands(saver, measured);
    require_changed(at_save, measured);
    load(measured);
    require_restored(at_save, measured);
    agree(measured);
    return measured;
  }

  /// At least one step.
  void train_until_it_stands(RunSaver& saver, MeasuredSave& measured) {
    std::optional<checkpoint::SaveDone> done;
    do {
      measured.step_s.push_back(time_step());
      if (!done) done = saver.take_done();
    } while (comm::any_rank(all(), !done && !saver.failed(), kLabel));
    const Stopwatch watch;
    saver.finish();
    measured.cost.waited_s += watch.elapsed_s();
    measured.written_s = done.value().written_s;
  }

  /// As a run that is continued: finds the newest state that is whole, reads it.
  void load(MeasuredSave& measured) {
    const std::filesystem::path run_folder = run_.config().output;
    const auto saved = run_folder / checkpoint::state_folder_name(measured.step);
    checkpoint::drop_from_page_cache(saved);
    all().barrier(kLabel);
    Stopwatch watch;
    const auto found = checkpoint::find_latest_state(all(), run_folder, &stop_);
    measured.verify_s = watch.elapsed_s();
    comm::together(run_.world(), [&] {
      if (found == saved) return;
      throw Error(format("{} was saved, but the newest state that is whole is {}", saved.string(),
                         found ? found->string() : "none"),
                  ExitCode::kCheckFailed);
    });
    watch.restart();
    read_state(saved, run_.trainer(), run_.stream());
    measured.read_s = watch.elapsed_s();
  }

  /// Else the state could be a picture of now as well as of then.
  void require_changed(const ShardHashes& at_save, const MeasuredSave& measured) {
    comm::together(run_.world(), [&] {
      if (!at_save.differing(shards_to_load(run_.trainer())).empty()) return;
      throw Error(format("{} steps after step {} changed no tensor: is the loss finite?",
                         measured.step_s.size(), measured.step),
                  ExitCode::kDiverged);
    });
  }

  void require_restored(const ShardHashes& at_save, const MeasuredSave& measured) {
    comm::together(run_.world(), [&] {
      const std::vector<std::string> others = at_save.differing(shards_to_load(run_.trainer()));
      if (others.empty()) return;
      throw Error(format("the saved state of step {} is not what the trainer held: {} of its "
                         "tensors differ, the first is {}",
                         measured.step, others.size(), others.front()),
                  ExitCode::kCheckFailed);
    });
  }

  /// All times, those of the steps excepted, which are agreed already.
  void agree(MeasuredSave& measured) {
    SaveCost& cost = measured.cost;
    double* const own[] = {&cost.waited_s,      &cost.copied_s,     &cost.written_s,
                           &measured.written_s, &measured.verify_s, &measured.read_s};
    std::vector<double> values;
    for (const double* value : own) values.push_back(*value);
    take_slowest(all(), values);
    for (size_t i = 0; i < values.size(); ++i) *own[i] = values[i];
  }

  const std::atomic<bool>& stop_;
  BenchRun run_;
  RunSaver synchronous_, asynchronous_;  // read the run's memory until they are gone
};

void measure(CheckpointBench& bench, const BenchCheckpointSettings& settings, bool tells,
             BenchCheckpointResult& result) {
  bench.warm_up(settings.warmup_steps);
  result.copy_bytes = settings.copy_bytes;
  const auto step = [&] { result.step_s.push_back(bench.time_step()); };
  const auto tell = [&](const char* kind, const MeasuredSave& save, int64_t number) {
    if (!tells) return;
    log_info(format("{} save {} of {}: training stood still for {:.3f} s, written in {:.3f} s",
                    kind, number, settings.saves, save.cost.lost_s(), save.written_s));
  };
  for (int64_t i = 0; i < settings.steps; ++i) step();
  for (int64_t i = 1; i <= settings.saves; ++i) {
    step();
    result.synchronous.push_back(bench.save_synchronously());
    tell("synchronous", result.synchronous.back(), i);
    const std::vector<double> copies = bench.time_copies(settings.copy_bytes);
    result.copy_s.insert(result.copy_s.end(), copies.begin(), copies.end());
    step();
    result.asynchronous.push_back(bench.save_asynchronously());
    tell("asynchronous", result.asynchronous.back(), i);
  }
}

}  // namespace

BenchCheckpointResult bench_checkpoint(comm::World& world, const config::RunConfig& config,
                                       const BenchCheckpointSettings& settings,
                                       const std::atomic<bool>& stop) {
  std::optional<ScratchFolder> made;  // by rank 0
  comm::together(world, [&] {
    if (world.rank() == 0) made.emplace(settings.folder, config.output);
  });
  BenchCheckpointResult result;
  result.folder = comm::gather_texts(world.all(), made ? made->path().string() : "").front();
  CheckpointBench bench(world, saving_into(config, result.folder), stop);
  bench.describe(result);
  measure(bench, settings, world.rank() == 0, result);
  return result;
}

}  // namespace lckv::train
