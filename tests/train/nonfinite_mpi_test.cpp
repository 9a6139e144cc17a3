#include <cmath>
#include <cstdio>
#include <optional>

#include <gtest/gtest.h>

#include "grid_trainer.h"
#include "lckv/comm/agreement.h"
#include "lckv/mpi_test/intercepted.h"
#include "planted.h"

// NaN and infinity on one rank of a grid: no rank updates, all name the tensor and the rank.

namespace lckv::test {
namespace {

using model::Parameter;
using model::ParameterTable;
using model::Role;
using train::NonFinite;
using train::NonFiniteKind;
using train::NonFiniteReport;
using train::StepOutcome;
using train::StepResult;

constexpr Role kRoles[] = {Role::kTokenEmbedding, Role::kNorm,   Role::kQuery, Role::kKey,
                           Role::kValue,          Role::kOutput, Role::kGate,  Role::kUp,
                           Role::kDown,           Role::kHead};

/// An element of a bucket on one rank; the same answer on every rank.
struct Place {
  int rank = 0;
  Parameter parameter;  // that rank's
  int bucket = 0;
  int64_t index = 0;  // in the bucket
  int64_t local = 0;  // in the rank's part of the parameter
};

ParameterTable table_of(const config::ModelConfig& config, const comm::Grid& grid, int rank) {
  return model::make_parameter_table(config, {grid.tp, rank % grid.tp, grid.dp});
}

/// Where the highest rank that has elements of this role has one, in its own part under ZeRO-1 when
/// `owned`. Of the embedding, in a row that `token` names.
std::optional<Place> find_place(const config::ModelConfig& config, const comm::Grid& grid,
                                Role role, bool owned, int32_t token) {
  for (int rank = grid.ranks() - 1; rank >= 0; --rank) {
    const ParameterTable table = table_of(config, grid, rank);
    for (const Parameter& p : table.parameters) {
      if (p.role != role || p.extent == 0) continue;
      const model::Storage& storage = table.storage_of(p);
      const int64_t row_elems = p.local.numel() / p.local[0];
      const int64_t part = table.buckets[static_cast<size_t>(storage.bucket)].elems / grid.dp;
      const int64_t from = storage.offset_elems + p.first_row * row_elems;
      for (int64_t row = p.axis == 0 ? p.extent - 1 : p.local[0] - 1; row >= 0; --row) {
        if (role == Role::kTokenEmbedding && p.begin + row != token) continue;
        const int64_t local = row * row_elems + row_elems / 2, index = from + local;
        if (owned && index / part != rank / grid.tp) continue;
        return Place{rank, p, storage.bucket, index, local};
      }
    }
  }
  return std::nullopt;
}

int64_t index_in_whole(const Place& place) {
  const Parameter& p = place.parameter;
  const int64_t columns = p.local.rank() == 1 ? 1 : p.local[1];
  const int64_t row = place.local / columns, column = place.local % columns;
  if (p.local.rank() == 1) return row;
  return p.axis == 0 ? (p.begin + row) * p.shape[1] + column : row * p.shape[1] + p.begin + column;
}

/// The flat view that holds the place, and where it begins in its bucket.
std::pair<View, int64_t> holder(const train::Trainer& trainer, NonFiniteKind kind, int bucket) {
  const auto b = static_cast<size_t>(bucket);
  const auto owned = [&](const std::vector<View>& parts) {
    return std::pair(parts[b], trainer.ranks().grid.dp_rank() * parts[b].numel());
  };
  switch (kind) {
    case NonFiniteKind::kWeight:
      return {trainer.weights().buckets()[b], 0};
    case NonFiniteKind::kGradient:
      return {trainer.gradients().buckets()[b], 0};
    case NonFiniteKind::kMaster:
      return owned(trainer.owned_masters());
    case NonFiniteKind::kFirstMoment:
      return owned(trainer.owned_first_moments());
    default:
      return owned(trainer.owned_second_moments());
  }
}

bool is_owned(NonFiniteKind kind) {
  return kind != NonFiniteKind::kWeight && kind != NonFiniteKind::kGradient;
}

/// One step with an element spoiled on one rank; afterwards it is as before.
StepResult step_with(GridTrainer& trainer, NonFiniteKind kind, const Place& place, double value) {
  std::optional<Planted> planted;
  return trainer.step(2, [&](int64_t micro_batch) {
    const int64_t when = kind == NonFiniteKind::kGradient ? 1 : 0;
    if (micro_batch != when || trainer.grid().rank != place.rank) return;
    const auto [view, begin] = holder(*trainer, kind, place.bucket);
    planted.emplace(view, place.index - begin, value);
  });
}

/// Who holds the element after the sum over copies.
int owner_of(const config::ModelConfig& config, const comm::Grid& grid, const Place& place) {
  const ParameterTable table = table_of(config, grid, place.rank);
  const int64_t part = table.buckets[static_cast<size_t>(place.bucket)].elems / grid.dp;
  return static_cast<int>(place.index / part) * grid.tp + place.rank % grid.tp;
}

void expect_named(const GridTrainer& trainer, const config::ModelConfig& config, NonFiniteKind kind,
                  const Place& place, const char* value, const StepResult& result) {
  const comm::Grid& grid = trainer.grid();
  const NonFiniteReport& report = result.not_finite;
  const std::string where =
      format("{} in {} {} of rank {} on {}: {}", value, train::name(kind), place.parameter.name,
             place.rank, to_string(grid), train::to_text(2, report));
  EXPECT_EQ(result.outcome, StepOutcome::kNotFinite) << where;
  if (report.found.empty()) {
    ADD_FAILURE() << where;
    return;
  }
  const bool is_gradient = kind == NonFiniteKind::kGradient;
  const int rank = is_gradient ? owner_of(config, grid, place) : place.rank;
  const NonFinite expected = {kind, place.parameter.name, rank, 1, 1, index_in_whole(place), value};
  EXPECT_EQ(report.found[0], expected) << where;
  EXPECT_EQ(report.tensors[static_cast<size_t>(kind)], 1) << where;
  if (is_gradient) {
    EXPECT_EQ(report.sources, std::vector<int>{place.rank}) << where;
  }
  if (kind == NonFiniteKind::kWeight) {  // all of one copy
    for (const int source : report.sources) EXPECT_EQ(source / grid.tp, place.rank / grid.tp);
    EXPECT_FALSE(report.sources.empty()) << where;
  } else {
    EXPECT_EQ(report.found.size(), 1U) << where;
  }
}

/// A text on which all ranks agree. Collective.
void expect_equal_on_all_ranks(const std::string& text) {
  for (const std::string& other : comm::gather_texts(world().all(), text)) EXPECT_EQ(other, text);
}

std::vector<int> tensor_extents() {
  std::vector<int> extents;
  for (int tp = 1; tp <= std::min(world().size(), 4); tp *= 2) extents.push_back(tp);
  return extents;
}

/// BF16 has masters, F32 has none.
void spoil_everything(const comm::Communicators& ranks, DType dtype) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  GridTrainer trainer(ranks, config, dtype), clean(ranks, config, dtype);
  trainer.step(1);
  clean.step(1);
  const std::vector<std::byte> before = trainer.bits();
  std::vector<NonFiniteKind> kinds = {NonFiniteKind::kWeight, NonFiniteKind::kGradient,
                                      NonFiniteKind::kFirstMoment, NonFiniteKind::kSecondMoment};
  if (dtype == DType::kBF16) kinds.push_back(NonFiniteKind::kMaster);
  // A token that the last copy reads.
  const int32_t token = global_batch(config, {}, 2).tokens.back();
  bool nan = false;
  for (const Role role : kRoles) {
    for (const NonFiniteKind kind : kinds) {
      const auto place = find_place(config, ranks.grid, role, is_owned(kind), token);
      if (!place) {
        ADD_FAILURE() << "no element of role " << static_cast<int>(role);
        continue;
      }
      nan = !nan;
      const double value = nan ? std::nan("") : -std::numeric_limits<double>::infinity();
      const StepResult result = step_with(trainer, kind, *place, value);
      expect_named(trainer, config, kind, *place, nan ? "nan" : "-inf", result);
      expect_equal_on_all_ranks(train::to_text(2, result.not_finite));
      EXPECT_TRUE(trainer.bits() == before) << train::name(kind) << " " << place->parameter.name;
    }
  }
  EXPECT_TRUE(trainer.step(2).updated);
  clean.step(2);
  EXPECT_TRUE(trainer.bits() == clean.bits()) << to_string(ranks.grid);
}

TEST(NonFiniteOnGrid, OnOneRankStopsTheUpdateOfAllAndIsNamed) {
  for (const int tp : tensor_extents()) {
    if (world().size() == 8 && tp != 2) continue;
    const comm::Communicators ranks = join_grid(grid_config("0_3_3_3_4"), tp);
    spoil_everything(ranks, DType::kBF16);
    if (ranks.grid.dp == 2) spoil_everything(ranks, DType::kF32);
  }
}

/// What a check that leaves the optimizer's tensors out would do: the guard of this law.
TEST(NonFiniteOnGrid, InTheOptimizerIsSeenByItsSumAlone) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  comm::Communicators ranks = join_grid(config, 1);
  const auto met = plant(ranks.world, "gradient norm",
                         [](const comm::Communicator&, const comm::Collective& call,
                            const Intercepted::Proceed& proceed) {
                           proceed();
                           call.x.data<double>()[1] = 0;
                         });
  for (const NonFiniteKind kind :
       {NonFiniteKind::kMaster, NonFiniteKind::kFirstMoment, NonFiniteKind::kSecondMoment}) {
    GridTrainer trainer(ranks, config, DType::kBF16);
    const auto place = find_place(config, ranks.grid, Role::kDown, true, 0);
    const StepResult result = step_with(trainer, kind, *place, std::nan(""));
    EXPECT_EQ(result.outcome, StepOutcome::kApplied);
    const View weights = trainer->weights().buckets()[static_cast<size_t>(place->bucket)];
    EXPECT_TRUE(std::isnan(values_of(weights)[static_cast<size_t>(place->index)]))
        << train::name(kind);
  }
  EXPECT_EQ(*met, 3);
}

TEST(NonFiniteOnGrid, ArisingInTheSumOverCopiesIsNoRanksOwn) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  comm::Communicators ranks = join_grid(config, world().size() / 2);
  plant(ranks.dp, "dp gradients",
        [](const comm::Communicator& group, const comm::Collective& call,
           const Intercepted::Proceed& proceed) {
          proceed();
          if (group.rank() == 1) call.own.data<float>()[0] = std::nanf("");
        });
  GridTrainer trainer(ranks, config, DType::kF32);
  const std::vector<std::byte> before = trainer.bits();
  const NonFiniteReport report = trainer.step(1).not_finite;
  EXPECT_TRUE(report.sources.empty());
  EXPECT_FALSE(report.found.empty());
  EXPECT_NE(train::to_text(1, report).find("finite on every rank before the sum over copies"),
            std::string::npos);
  EXPECT_TRUE(trainer.bits() == before);
}

TEST(NonFiniteOnGrid, ALossThatOneRankAloneMissesStopsAll) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  comm::Communicators ranks = join_grid(config, world().size() / 2);
  plant(ranks.dp, "loss",
        [](const comm::Communicator&, const comm::Collective& call,
           const Intercepted::Proceed& proceed) {
          proceed();
          if (world().rank() == 1) call.x.data<double>()[0] = std::nan("");
        });
  GridTrainer trainer(ranks, config, DType::kF32);
  const std::vector<std::byte> before = trainer.bits();
  EXPECT_EQ(trainer.step(1).outcome, StepOutcome::kNotFinite);
  EXPECT_TRUE(trainer.bits() == before);
}

/// A replica's gradient that the norm counts on another rank is read by an update all the same.
TEST(NonFiniteOnGrid, InAReplicaOfAGradientThatTheNormLeavesOutIsFound) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  const comm::Communicators ranks = join_grid(config, world().size());
  GridTrainer trainer(ranks, config, DType::kF32);
  const auto place = find_place(config, ranks.grid, Role::kNorm, false, 0);
  EXPECT_FALSE(place->parameter.counts_here);
  const StepResult result = step_with(trainer, NonFiniteKind::kGradient, *place, std::nan(""));
  EXPECT_EQ(result.outcome, StepOutcome::kNotFinite);
  EXPECT_TRUE(std::isfinite(result.grad_norm));
  EXPECT_EQ(result.not_finite.sources, std::vector<int>{place->rank});
}

TEST(RefusedOnGrid, AllRanksAreAskedTheSameAndNoneChanges) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  for (const int tp : tensor_extents()) {
    const comm::Communicators ranks = join_grid(config, tp);
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      GridTrainer trainer(ranks, config, dtype), clean(ranks, config, dtype);
      trainer.step(1);
      clean.step(1);
      std::string asked;
      const StepResult refused = trainer.step(2, {}, [&](double loss, double grad_norm) {
        asked = format("{:a} {:a}", loss, grad_norm);
        return false;
      });
      EXPECT_EQ(refused.outcome, StepOutcome::kRefused);
      expect_equal_on_all_ranks(asked);
      EXPECT_TRUE(trainer.bits() == clean.bits()) << to_string(ranks.grid);
      trainer.step(2);
      clean.step(2);
      EXPECT_TRUE(trainer.bits() == clean.bits()) << to_string(ranks.grid);
    }
  }
}

}  // namespace
}  // namespace lckv::test
