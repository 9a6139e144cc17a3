#include <cstdio>

#include <gtest/gtest.h>

#include "faulty_communicator.h"
#include "grid_run.h"
#include "lckv/mpi_test/world.h"

// The test of the tests in grid_mpi_test.cpp: each planted fault must turn the named law red. The
// faults live in a communicator of the test, not in the product.

namespace lckv::test {
namespace {

enum class Group { kWorld, kDp, kTp, kKv };
enum class Law { kLoss, kGradients, kNorms, kWeights };

using Proceed = std::function<void()>;

/// The collective does not happen: each rank keeps what it has.
void drop(const comm::Collective& call, const Proceed&) {
  if (call.kind == comm::CollectiveKind::kReduceScatter) return;  // own keeps this rank's addend
}

/// Only this rank's part of the result is there, elsewhere what was there before.
void drop_gather(const comm::Collective&, const Proceed&) {}

/// Scales the result by 1 + 2^-6: a shard that was weighted wrongly.
void scale(const comm::Collective& call, const Proceed& proceed) {
  proceed();
  const View result = call.own ? call.own : call.x;
  for (int64_t i = 0; i < result.numel(); ++i) result.data<double>()[i] *= 1 + 0x1p-6;
}

/// Gathers the parts in the order 1, 0, 2, ..: two shards are swapped.
void swap_shards(const comm::Collective& call, const Proceed& proceed) {
  proceed();
  const int64_t part = call.own.numel();
  auto* x = static_cast<double*>(call.x.raw());
  std::swap_ranges(x, x + part, x + part);
}

struct Fault {
  const char* what;
  Group group;
  const char* label;
  FaultyCommunicator::Fault spoil;
  std::vector<Law> laws;  // that see it
  bool sequence = false;
};

/// What a rank that averages by itself makes of the targets it counted: n ranks' averages, averaged.
FaultyCommunicator::Fault average_of_averages(int ranks) {
  return
      [ranks](const comm::Collective& call, const Proceed&) { call.x.data<double>()[0] *= ranks; };
}

std::vector<Fault> faults() {
  using enum Law;
  return {
      {"drop the sum of attention outputs", Group::kTp, "tp attention out", drop, {kLoss}},
      {"drop the sum of MLP outputs", Group::kTp, "tp mlp out", drop, {kLoss}},
      {"drop the sum of embedding rows", Group::kTp, "tp embedding", drop, {kLoss}},
      {"drop the sum of attention input gradients",
       Group::kTp,
       "tp attention dx",
       drop,
       {kGradients}},
      {"drop the sum of MLP input gradients", Group::kTp, "tp mlp dx", drop, {kGradients}},
      {"drop the sum of the head's input gradient", Group::kTp, "tp head dx", drop, {kGradients}},
      {"keep the other ranks' parts of the softmax to themselves",
       Group::kTp,
       "tp loss",
       drop_gather,
       {kLoss}},
      {"swap two ranks' parts of the loss",
       Group::kTp,
       "tp loss",
       [](const comm::Collective& call, const Proceed& proceed) {
         proceed();
         // The parts' sums without their maxima: what a mixed-up layout of the three rows does.
         const int64_t rows = call.own.numel() / 3;
         auto* x = call.x.data<double>();
         std::swap_ranges(x + rows, x + 2 * rows, x + 3 * rows + rows);
       },
       {kLoss}},
      {"skip the sum of shared KV gradients", Group::kKv, "kv gradient", drop, {kGradients}},
      {"drop the reduction of gradients over copies",
       Group::kDp,
       "dp gradients",
       drop,
       {kGradients}},
      {"weight a reduced shard by 1 + 2^-6", Group::kDp, "dp gradients", scale, {kGradients}},
      {"average averages",
       Group::kDp,
       "scored targets",
       average_of_averages(0),
       {kLoss, kGradients}},
      {"drop the sum of losses over copies", Group::kDp, "loss", drop, {kLoss}},
      {"clip by the norm of one's own shard",
       Group::kWorld,
       "gradient norm",
       drop,
       {kNorms, kWeights}},
      {"forget to gather updated weights", Group::kDp, "dp weights", drop_gather, {kWeights}},
      {"swap two shards of gathered weights", Group::kDp, "dp weights", swap_shards, {kWeights}},
      {"skip the sum of norm gradients", Group::kTp, "tp norm gradient", drop, {kGradients}, true},
      {"leave rows of the other ranks ungathered",
       Group::kTp,
       "tp attention in",
       drop_gather,
       {kLoss},
       true},
      {"leave the gradient of other rows ungathered",
       Group::kTp,
       "tp mlp dout",
       drop_gather,
       {kGradients},
       true},
      {"leave the embedding's gradient ungathered",
       Group::kTp,
       "tp embedding dout",
       drop_gather,
       {kGradients},
       true},
  };
}

std::unique_ptr<comm::Communicator>& member(comm::Communicators& ranks, Group group) {
  switch (group) {
    case Group::kWorld:
      return ranks.world;
    case Group::kDp:
      return ranks.dp;
    case Group::kTp:
      return ranks.tp;
    case Group::kKv:
      break;
  }
  return ranks.kv;
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

TEST(PlantedFault, TurnsItsLawRed) {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.num_key_value_heads = 1;  // shared by every two ranks of a copy
  GridSettings settings;
  settings.steps = 3;
  Training exact;
  if (world().rank() == 0) exact = train_on(comm::single_process(), config, settings);
  for (Fault fault : faults()) {
    // A grid where the group has several ranks: all in tp, or all in dp.
    const bool of_copies = fault.group == Group::kDp;
    comm::Communicators ranks = grid_ranks(world(), config, of_copies ? 1 : world().size());
    if (std::string(fault.label) == "scored targets")
      fault.spoil = average_of_averages(ranks.grid.dp);
    auto& group = member(ranks, fault.group);
    auto faulty = std::make_unique<FaultyCommunicator>(std::move(group), fault.label, fault.spoil);
    const FaultyCommunicator& planted = *faulty;
    group = std::move(faulty);
    settings.sequence_parallel = fault.sequence;
    const Training actual = train_on(ranks, config, settings);
    EXPECT_GT(planted.spoiled(), 0) << fault.what << ": never happened";
    if (world().rank() != 0) continue;
    const GridErrors errors = compare(actual, exact);
    for (const Law law : fault.laws) {
      std::printf("%-58s %-20s %-10s off by %.1e\n", fault.what, fault.label, name(law),
                  error_of(errors, law));
      // A thousand times what rounding may do: no fault hides near the tolerance.
      EXPECT_GT(error_of(errors, law), 1e-6)
          << fault.what << ": the law of " << name(law) << " does not see it";
    }
  }
}

TEST(PlantedFault, WithoutAFaultTheSameGridsAreGreen) {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.num_key_value_heads = 1;
  GridSettings settings;
  settings.steps = 3;
  Training exact;
  if (world().rank() == 0) exact = train_on(comm::single_process(), config, settings);
  for (const int tp : {1, world().size()}) {
    comm::Communicators ranks = grid_ranks(world(), config, tp);
    // Through the same decorator, which passes everything on.
    ranks.dp = std::make_unique<FaultyCommunicator>(std::move(ranks.dp), "no such label", drop);
    ranks.tp = std::make_unique<FaultyCommunicator>(std::move(ranks.tp), "no such label", drop);
    const Training actual = train_on(ranks, config, settings);
    if (world().rank() == 0) {
      EXPECT_LE(compare(actual, exact).worst(), 1e-9);
    }
  }
}

}  // namespace
}  // namespace lckv::test
