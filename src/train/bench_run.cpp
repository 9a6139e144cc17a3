#include "lckv/train/bench_run.h"

#include <algorithm>

#include "lckv/base/clock.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/device.h"
#include "lckv/train/kernel_choice.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/run_scratch.h"

namespace lckv::train {

namespace {

constexpr auto kLabel = "bench";

config::RunConfig without_data(config::RunConfig config) {
  config.data.validation.clear();
  config.data.document_mask = false;
  return config;
}

/// From here on a peak counts.
int64_t bytes_used_before(Device device) {
  reset_peak_resident();
  return used_bytes(device);
}

/// "cpu avx512, 2 ranks (dp 2 x tp 1) of 1 threads"
std::string who_text(const BenchSubject& s) {
  if (s.grid.ranks() == 1) return format("{}, {} threads", s.backend, s.threads);
  return format("{}, {} ranks ({}) of {} threads", s.backend, s.grid.ranks(), to_string(s.grid),
                s.threads);
}

}  // namespace

std::string subject_line(const BenchSubject& s) {
  return format("{}, {}; {}; {} micro-batches of {} x {} tokens{}", who_text(s), s.precision,
                s.layer_types.empty() ? "plain Llama" : s.layer_types, s.micro_batches, s.B, s.T,
                s.grid.dp > 1 ? " for each copy" : "");
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

void take_slowest(comm::Communicator& all, std::vector<double>& values) {
  Stream stream;
  all.all_reduce(stream, View(values.data(), DType::kF64, {static_cast<int64_t>(values.size())}),
                 comm::ReduceOp::kMax, kLabel);
}

RandomTokens::RandomTokens(int64_t count, int64_t vocabulary, int dp_rank) {
  const CounterRng rng(7, 7 + static_cast<uint64_t>(dp_rank));
  for (int64_t i = 0; i <= count; ++i) {
    const auto token = static_cast<int32_t>(
        rng.below(static_cast<uint64_t>(i), static_cast<uint64_t>(vocabulary)));
    if (i < count) tokens.push_back(token);
    if (i > 0) targets.push_back(token);
  }
}

BenchRun::BenchRun(comm::World& world, const config::RunConfig& config)
    : world_(world),
      config_(without_data(config)),
      device_(join_device(world, config_.train.device)),
      used_before_(bytes_used_before(device_)),
      ranks_(join_grid(world, config_, device_)),
      threads_(use_threads(world, config_)),
      dtype_(resolve_precision(config_.train.precision, device_)),
      micro_(micro_batches(config_.train, ranks_.grid.dp)),
      stream_(device_) {
  comm::require_equal_texts(world_, "precision", std::string(name(dtype_)));
  comm::together(world_, [&] { choose_kernels(config_, "", device_, ranks_.grid.rank); });
  comm::together(world_, [&] { allocate(); });
  trainer().initialize(stream_, config_.train.seed);
  random_.emplace(dims().N(), dims().V, ranks_.grid.dp_rank());
}

void BenchRun::allocate() {
  const int64_t joined_bytes = grown_bytes();  // groups have been made, nothing else
  const Arena plan = plan_run_memory(config_, dtype_, ranks_, device_);
  scratch_plan_ = plan_run_scratch(config_, dtype_, ranks_, device_);
  if (ranks_.over_nccl) {
    const int64_t staging = nccl_staging_bytes(ranks_);
    scratch_plan_.add("nccl library, as measured", std::max<int64_t>(0, joined_bytes - staging));
  }
  planned_bytes_ = plan.bytes() + scratch_plan_.bytes();
  arena_.emplace(Arena::allocate(plan));
  objects_.emplace(*arena_, config_, dtype_, ranks_);
  trainer().prepare(stream_);
}

BenchSubject BenchRun::subject() const {
  return {.backend = backend_name(device_),
          .precision = std::string(name(dtype_)),
          .layer_types = config_.model.layer_types,
          .grid = ranks_.grid,
          .threads = threads_,
          .B = micro_.B,
          .T = config_.data.sequence_tokens,
          .micro_batches = micro_.per_step};
}

int64_t BenchRun::grown_bytes() const { return used_bytes(device_) - used_before_; }

void BenchRun::step() {
  const int64_t own_targets = dims().N() * micro_.per_step;
  trainer().step(
      stream_,
      [&](int64_t) {
        return model::TokenBatch{random_->tokens, random_->targets, {}};
      },
      micro_.per_step, own_targets, config_.optimizer, config_.optimizer.lr, ++updates_);
}

void BenchRun::steps(int64_t count) {
  for (int64_t i = 0; i < count; ++i) step();
}

std::vector<double> BenchRun::time_steps(int64_t count) {
  std::vector<double> seconds;
  for (int64_t i = 0; i < count; ++i) {
    world_.all().barrier(kLabel);
    const Stopwatch watch;
    step();
    stream_.synchronize();  // the last updates are under way on a GPU
    seconds.push_back(watch.elapsed_s());
  }
  take_slowest(world_.all(), seconds);
  return seconds;
}

}  // namespace lckv::train
