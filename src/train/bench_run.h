#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lckv/comm/grid.h"
#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/model/memory_report.h"
#include "lckv/train/run_inputs.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

/// What a measurement was made on.
struct BenchSubject {
  std::string backend, precision, layer_types;
  comm::Grid grid;
  int threads = 0;                          // of a rank
  int64_t B = 0, T = 0, micro_batches = 0;  // of one copy of the model
};

/// "cpu avx512, 2 ranks (dp 2 x tp 1) of 1 threads, f32; 0_2_2_3; 8 micro-batches of 1 x 16 tokens
/// for each copy"
std::string subject_line(const BenchSubject& subject);

/// The upper one of the two in the middle of an even number; 0 of none.
double median(std::vector<double> values);

/// Collective: every value becomes the largest that any rank has.
void take_slowest(comm::Communicator& all, std::vector<double>& values);

/// A micro-batch that is used again and again; ranks of one copy of the model see the same tokens.
struct RandomTokens {
  std::vector<int32_t> tokens, targets;

  RandomTokens(int64_t count, int64_t vocabulary, int dp_rank);
};

/// A training process on random tokens of a run file's shapes; its data files are not read. Every
/// function but the queries is collective over the world.
class BenchRun {
 public:
  /// Plans and allocates what a run of this configuration has, without validation data.
  BenchRun(comm::World& world, const config::RunConfig& config);

  BenchSubject subject() const;
  comm::World& world() const { return world_; }
  const config::RunConfig& config() const { return config_; }
  const comm::Communicators& ranks() const { return ranks_; }
  Device device() const { return device_; }
  DType dtype() const { return dtype_; }
  const model::Dims& dims() const { return trainer().network().dims(); }
  const Trainer& trainer() const { return objects_->trainer; }
  Trainer& trainer() { return objects_->trainer; }
  /// nullptr unless config.checkpoint.asynchronous.
  StateSnapshot* snapshot() { return objects_->snapshot.get(); }
  Stream& stream() { return stream_; }
  int64_t updates() const { return updates_; }
  /// Of the tensors of the plan, and on a GPU of scratch_plan().
  int64_t planned_bytes() const { return planned_bytes_; }
  const model::ScratchMemory& scratch_plan() const { return scratch_plan_; }
  /// What the memory in use has grown by since before the groups of ranks were made.
  int64_t grown_bytes() const;

  void step();
  void steps(int64_t count);
  /// Seconds of each step on its slowest rank; all begin it together.
  std::vector<double> time_steps(int64_t count);

 private:
  void allocate();

  comm::World& world_;
  const config::RunConfig config_;
  std::optional<Arena> arena_;  // outlives whatever works in it
  Device device_;
  int64_t used_before_;
  comm::Communicators ranks_;
  int threads_;
  DType dtype_;
  MicroBatches micro_;
  Stream stream_;
  model::ScratchMemory scratch_plan_;
  int64_t planned_bytes_ = 0;
  std::optional<RunObjects> objects_;
  std::optional<RandomTokens> random_;
  int64_t updates_ = 0;
};

}  // namespace lckv::train
