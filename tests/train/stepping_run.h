#pragma once

#include <functional>
#include <string>
#include <utility>

#include "lckv/checkpoint/state.h"
#include "lckv/model/init.h"
#include "lckv/train/data_fingerprint.h"
#include "lckv/train/lr_schedule.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_inputs.h"
#include "lckv/train/run_resume.h"
#include "lckv/train/run_setup.h"
#include "saved_state.h"

namespace lckv::test {

/// A run step by step on any groups of ranks: real loader, real trainer, no loop around them. What
/// does more than tell is collective over its grid.
class SteppingRun {
 public:
  /// `ranks` and `config` outlive it.
  SteppingRun(const comm::Communicators& ranks, const config::RunConfig& config)
      : config_(config),
        ranks_(ranks),
        inputs_(config, ranks.grid),
        dtype_(train::resolve_precision(config.train.precision)),
        arena_(Arena::allocate(train::plan_run_memory(config, dtype_, ranks))),
        objects_(arena_, config, dtype_, ranks) {
    trainer().prepare(stream_);
  }

  /// Weights by the seed; call first, or load().
  void start() { trainer().initialize(stream_, config_.train.seed); }
  void steps(int64_t count) {
    for (int64_t i = 0; i < count; ++i) step();
  }

  void save(const std::string& output) {
    checkpoint::save_state(*ranks_.world, output, position_.step, train::shards_to_save(trainer()),
                           to_json(record(), config_));
  }
  /// The newest state of the folder. False when there is none.
  bool load(const std::string& output) {
    const std::atomic<bool> never{false};
    const auto found = train::resume_run(output, trainer(), stream_, record(), never);
    if (found) go_on_from(*found);
    return found.has_value();
  }
  /// The same by hand: each shard is filled by `fill`, which may do it wrongly.
  using Fill = std::function<void(checkpoint::StateReader&, const checkpoint::Shard&)>;
  void load_by(const std::filesystem::path& state, const Fill& fill) {
    checkpoint::StateReader reader(state);
    for (const checkpoint::Shard& shard : train::shards_to_load(trainer())) fill(reader, shard);
    trainer().gather_weights(stream_);
    go_on_from(record_of(state).position);
  }

  train::RunRecord record() {
    return train::make_record(trainer(), position_, config_,
                              train::data_fingerprint(config_.data.train),
                              inputs_.train.tokenizer_info().tokenizer_sha256);
  }
  uint64_t weights_hash() { return model::content_hash(stream_, trainer().weights(), *ranks_.tp); }
  train::Trainer& trainer() { return objects_.trainer; }

 private:
  void go_on_from(const train::RunPosition& position) {
    position_ = position;
    inputs_.train.seek(position_.sequences);
  }

  void step() {
    std::vector<data::Batch> batches;
    int64_t scored = 0;
    for (int64_t i = 0; i < inputs_.micro.per_step; ++i) {
      batches.push_back(inputs_.train.next());
      scored += batches.back().scored_targets;
    }
    const auto next = [&](int64_t i) {
      const data::Batch& batch = batches[static_cast<size_t>(i)];
      return model::TokenBatch{batch.tokens, batch.targets, batch.first_key};
    };
    position_.lr = train::learning_rate(config_.schedule, config_.optimizer.lr, config_.train.steps,
                                        position_.step);
    trainer().step(stream_, next, inputs_.micro.per_step, scored, config_.optimizer, position_.lr,
                   position_.updates + 1);
    ++position_.step;
    ++position_.updates;
    position_.sequences = inputs_.train.position();
  }

  const config::RunConfig& config_;
  const comm::Communicators& ranks_;
  train::RunInputs inputs_;
  DType dtype_;
  Arena arena_;
  train::RunObjects objects_;
  Stream stream_;
  train::RunPosition position_;
};

}  // namespace lckv::test
