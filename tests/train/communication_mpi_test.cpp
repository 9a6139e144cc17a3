#include <gtest/gtest.h>

#include "grid_run.h"
#include "lckv/train/communication.h"

namespace lckv::test {
namespace {

struct Counted {
  int64_t calls = 0, sent_bytes = 0;
  bool operator==(const Counted&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Counted& counted) {
  return out << counted.calls << " calls, " << counted.sent_bytes << " bytes";
}

std::map<std::string, Counted> measured(const comm::Communicators& ranks) {
  std::map<std::string, Counted> all;
  for (const auto* group : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
    for (const auto& [label, traffic] : (*group)->traffic()) {
      if ((*group)->size() > 1) all[label] = {traffic.calls, traffic.sent_bytes};
    }
  }
  return all;
}

std::map<std::string, Counted> planned(const train::Trainer& trainer, int64_t micro_batches) {
  std::map<std::string, Counted> all;
  for (const train::CommunicationRow& row : train::communication_per_step(trainer, micro_batches)) {
    all[row.label] = {row.calls, row.sent_bytes};
  }
  return all;
}

/// One step, counted, against what the plan says of it.
void expect_planned_traffic(const config::ModelConfig& config, int tensor,
                            train::Trainer::Options options, int64_t micro_batches) {
  const comm::Communicators ranks = join_grid(config, tensor);
  options.ranks = &ranks;
  options.B = kGridSequences / ranks.grid.dp / micro_batches;
  options.T = kGridT;
  Arena plan = Arena::planning();
  train::Trainer(plan, config, options);
  Arena arena = Arena::allocate(plan);
  train::Trainer trainer(arena, config, options);
  Stream stream;
  trainer.prepare(stream);
  trainer.initialize(stream, 1);
  const RandomBatch batch(config, options.B, options.T, 5);
  for (const auto* group : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
    (*group)->reset_traffic();
  }
  trainer.step(
      stream, [&](int64_t) { return batch.batch(); }, micro_batches, 10, {}, 0.01, 1);
  EXPECT_EQ(measured(ranks), planned(trainer, micro_batches))
      << config.layer_types << " on " << to_string(ranks.grid);
}

TEST(Communication, OfAStepIsWhatThePlanSays) {
  for (const char* layer_types : {"0_1_2_3", "0_3_3_3_4", "4_4_4_4_4", "1_1_3_3"}) {
    for (int tp = 1; tp <= world().size(); tp *= 2) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        for (const bool sequence : {false, true}) {
          train::Trainer::Options options;
          options.dtype = dtype;
          options.sequence_parallel = sequence && tp > 1;
          options.recompute = sequence ? config::Recompute::kBlock : config::Recompute::kNone;
          expect_planned_traffic(grid_config(layer_types), tp, options, 1);
        }
      }
    }
  }
}

TEST(Communication, GrowsWithMicroBatchesWhereItMust) {
  for (int tp = 1; tp <= world().size(); tp *= 2) {
    const int64_t sequences_of_a_copy = kGridSequences * tp / world().size();
    if (sequences_of_a_copy < 2) continue;  // nothing to split
    expect_planned_traffic(grid_config("0_3_3_3_4"), tp, {}, 2);
  }
}

}  // namespace
}  // namespace lckv::test
