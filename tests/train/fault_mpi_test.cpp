#include <cstdio>

#include <gtest/gtest.h>

#include "grid_run.h"
#include "lckv/mpi_test/intercepted.h"
#include "lckv/train/communication.h"

// The test of the tests in grid_mpi_test.cpp: each planted fault must turn the named law red. The
// faults live in a communicator of the test, not in the product.

namespace lckv::test {
namespace {

enum class Law { kLoss, kGradients, kNorms, kWeights };

using Proceed = Intercepted::Proceed;

/// Scales the result by 1 + 2^-6: a shard that was weighted wrongly.
void scale(const comm::Communicator&, const comm::Collective& call, const Proceed& proceed) {
  proceed();
  const View result = call.own ? call.own : call.x;
  for (int64_t i = 0; i < result.numel(); ++i) result.data<double>()[i] *= 1 + 0x1p-6;
}

/// Gathers the parts in the order 1, 0, 2, ..: two shards are swapped.
void swap_shards(const comm::Communicator&, const comm::Collective& call, const Proceed& proceed) {
  proceed();
  const int64_t part = call.own.numel();
  auto* x = static_cast<double*>(call.x.raw());
  std::swap_ranges(x, x + part, x + part);
}

/// Two ranks' sums go without their maxima: what a mixed-up layout of the three rows does.
void swap_sums(const comm::Communicator&, const comm::Collective& call, const Proceed& proceed) {
  proceed();
  const int64_t rows = call.own.numel() / 3;
  auto* x = call.x.data<double>();
  std::swap_ranges(x + rows, x + 2 * rows, x + 3 * rows + rows);
}

/// What a rank that averages by itself makes of the targets it counted: n ranks' averages,
/// averaged.
void average_averages(const comm::Communicator& group, const comm::Collective& call,
                      const Proceed&) {
  call.x.data<double>()[0] *= group.size();
}

struct Fault {
  const char* what;
  const char* group;
  const char* label;
  Intercepted::Handler spoil;
  std::vector<Law> laws;  // that see it
  bool sequence = false;
};

std::vector<Fault> faults() {
  using enum Law;
  return {
      {"drop the sum of attention outputs", "tp", "tp attention out", drop, {kLoss}},
      {"drop the sum of MLP outputs", "tp", "tp mlp out", drop, {kLoss}},
      {"drop the sum of embedding rows", "tp", "tp embedding", drop, {kLoss}},
      {"drop the sum of attention input gradients", "tp", "tp attention dx", drop, {kGradients}},
      {"drop the sum of MLP input gradients", "tp", "tp mlp dx", drop, {kGradients}},
      {"drop the sum of the head's input gradient", "tp", "tp head dx", drop, {kGradients}},
      {"keep the other ranks' parts of the softmax to themselves", "tp", "tp loss", drop, {kLoss}},
      {"swap two ranks' parts of the loss", "tp", "tp loss", swap_sums, {kLoss}},
      {"skip the sum of shared KV gradients", "kv", "kv gradient", drop, {kGradients}},
      {"drop the reduction of gradients over copies", "dp", "dp gradients", drop, {kGradients}},
      {"weight a reduced shard by 1 + 2^-6", "dp", "dp gradients", scale, {kGradients}},
      {"average averages", "dp", "scored targets", average_averages, {kLoss, kGradients}},
      {"drop the sum of losses over copies", "dp", "loss", drop, {kLoss}},
      {"clip by the norm of one's own shard", "world", "gradient norm", drop, {kNorms, kWeights}},
      {"forget to gather updated weights", "dp", "dp weights", drop, {kWeights}},
      {"swap two shards of gathered weights", "dp", "dp weights", swap_shards, {kWeights}},
      {"skip the sum of norm gradients", "tp", "tp norm gradient", drop, {kGradients}, true},
      {"leave rows of the other ranks ungathered", "tp", "tp attention in", drop, {kLoss}, true},
      {"leave the gradient of other rows ungathered",
       "tp",
       "tp mlp dout",
       drop,
       {kGradients},
       true},
      {"leave the embedding's gradient ungathered",
       "tp",
       "tp embedding dout",
       drop,
       {kGradients},
       true},
  };
}

std::unique_ptr<comm::Communicator>& member(comm::Communicators& ranks, const std::string& group) {
  for (auto* one : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
    if ((*one)->name() == group) return *one;
  }
  throw InternalError("no group '" + group + "'");
}

double error_of(const GridErrors& errors, Law law) {
  switch (law) {
    case Law::kLoss:
      return errors.loss;
    case Law::kGradients:
      return errors.gradients;
    case Law::kNorms:
      return errors.norms;
    case Law::kWeights:
      break;
  }
  return errors.weights;
}

const char* name(Law law) {
  constexpr const char* kNames[] = {"loss", "gradients", "norms", "weights"};
  return kNames[static_cast<size_t>(law)];
}

/// Off by more than this is seen: a thousand times what rounding may do, so that no fault hides
/// near the tolerance.
constexpr double kSeen = 1e-6;

/// What faults are planted in, and what it gives without.
class PlantedFault : public testing::Test {
 protected:
  PlantedFault() {
    config_.num_key_value_heads = 1;  // shared by all ranks of a copy
    settings_.steps = 3;
    if (world().rank() == 0) exact_ = train_on(comm::single_process(), config_, settings_);
  }

  config::ModelConfig config_ = grid_config("0_3_3_3_4");
  GridSettings settings_;
  Training exact_;  // on rank 0
};

TEST_F(PlantedFault, TurnsItsLawRed) {
  for (const Fault& fault : faults()) {
    // A grid where the group has several ranks: all in tp, or all in dp.
    const bool of_copies = fault.group == std::string("dp");
    comm::Communicators ranks = join_grid(config_, of_copies ? 1 : world().size());
    const auto spoiled = plant(member(ranks, fault.group), fault.label, fault.spoil);
    settings_.sequence_parallel = fault.sequence;
    const Training actual = train_on(ranks, config_, settings_);
    EXPECT_GT(*spoiled, 0) << fault.what << ": never happened";
    if (world().rank() != 0) continue;
    const GridErrors errors = compare(actual, exact_);
    for (const Law law : fault.laws) {
      std::printf("%-58s %-20s %-10s off by %.1e\n", fault.what, fault.label, name(law),
                  error_of(errors, law));
      EXPECT_GT(error_of(errors, law), kSeen)
          << fault.what << ": the law of " << name(law) << " does not see it";
    }
  }
}

/// Everything that a step sends on this grid.
std::vector<train::CommunicationRow> collectives_of(const comm::Communicators& ranks,
                                                    const config::ModelConfig& config,
                                                    const GridSettings& settings) {
  Arena plan = Arena::planning();
  const train::Trainer planned(plan, config, trainer_options(ranks, settings));
  return train::communication_per_step(planned, settings.micro_batches);
}

/// No collective is there in vain: whichever a step drops, some law sees it.
TEST_F(PlantedFault, IsSeenWhicheverCollectiveIsDropped) {
  std::vector<int> extents = {world().size() / 2};  // copies and ranks of each
  if (world().size() == 2) extents = {1, 2};
  for (const int tp : extents) {
    for (const bool sequence : {false, true}) {
      if (sequence && tp == 1) continue;
      settings_.sequence_parallel = sequence;
      for (const auto& row : collectives_of(join_grid(config_, tp), config_, settings_)) {
        comm::Communicators ranks = join_grid(config_, tp);
        const auto dropped = plant(member(ranks, row.group), row.label, drop);
        const Training actual = train_on(ranks, config_, settings_);
        const std::string where = row.label + " on " + to_string(ranks.grid);
        EXPECT_GT(*dropped, 0) << where;
        if (world().rank() != 0) continue;
        const double error = compare(actual, exact_).worst();
        std::printf("drop %-40s %s off by %.1e\n", where.c_str(),
                    sequence ? "sequence" : "        ", error);
        EXPECT_GT(error, kSeen) << where << (sequence ? ", sequence" : "");
      }
    }
  }
}

TEST_F(PlantedFault, WithoutAFaultTheSameGridsAreGreen) {
  for (int tp = 1; tp <= world().size(); tp *= 2) {
    for (const bool sequence : {false, true}) {
      if (sequence && tp == 1) continue;
      settings_.sequence_parallel = sequence;
      comm::Communicators ranks = join_grid(config_, tp);
      // Through the same decorator, which passes everything on.
      for (auto* group : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
        plant(*group, "no such label", drop);
      }
      const Training actual = train_on(ranks, config_, settings_);
      if (world().rank() == 0) {
        EXPECT_LE(compare(actual, exact_).worst(), 1e-9) << to_string(ranks.grid);
      }
    }
  }
}

}  // namespace
}  // namespace lckv::test
