#include <cstdio>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "grid_run.h"
#include "lckv/base/log.h"
#include "shared_run.h"
#include "stepping_run.h"

// A state saved by any grid is loaded by any other: every byte arrives, whoever wrote it, and
// training goes on as if one process had never been interrupted.

namespace lckv::test {
namespace {

using checkpoint::Shard;
using checkpoint::StateReader;

constexpr int64_t kSavedStep = 3;
constexpr int64_t kFurtherSteps = 20;

struct Extents {
  int dp, tp;
  int ranks() const { return dp * tp; }
  std::string name() const { return format("{}x{}", dp, tp); }
};

/// All grids of up to four ranks; of a world of eight a few that four do not have.
std::vector<Extents> grids() {
  if (world().size() == 8) return {{1, 1}, {8, 1}, {2, 4}};
  std::vector<Extents> fitting;
  for (const Extents& grid : {Extents{1, 1}, {2, 1}, {1, 2}, {3, 1}, {4, 1}, {2, 2}, {1, 4}}) {
    if (grid.ranks() <= world().size()) fitting.push_back(grid);
  }
  return fitting;
}

/// The grid on the first ranks of the world; the others get groups that they do not use.
/// Collective over the world.
comm::Communicators join_first_ranks(const config::ModelConfig& model, const Extents& extents) {
  const bool inside = world().rank() < extents.ranks();
  const int rank = inside ? world().rank() : 0;
  const auto color = [&](int group) { return inside ? group : 1000; };
  comm::Communicators ranks;
  ranks.grid = {.dp = extents.dp, .tp = extents.tp, .rank = rank};
  ranks.world = world().split("grid", color(0));
  ranks.dp = world().split("dp", color(rank % extents.tp));
  ranks.tp = world().split("tp", color(rank / extents.tp));
  ranks.kv = world().split("kv", color(rank / kv_sharers(model, extents.tp)));
  return ranks;
}

/// One of the grids and the run on it.
struct OnGrid {
  Extents extents;
  config::RunConfig config;
  comm::Communicators ranks;
  std::unique_ptr<SteppingRun> run;  // on the ranks of the grid
};

std::string folder_of(const config::RunConfig& base, const std::string& name) {
  return base.output + "-" + name;
}

/// The record of a state without what tells the grid and the time.
nlohmann::json without_grid(const std::filesystem::path& state) {
  auto record = nlohmann::json::parse(StateReader(state).trainer_state_json());
  record.erase("grid");
  record.erase("saved_at");
  for (const char* key : {"parallel.tensor", "parallel.data"}) record.at("config").erase(key);
  return record;
}

/// A run on every grid, each having saved its own state after a few steps.
class Reshard : public testing::TestWithParam<config::Precision> {
 protected:
  Reshard() {
    set_log_quiet(true);
    base_ = shared_run("reshard");
    base_.train.precision = GetParam();
    base_.train.sequences_per_step = world().size() == 8 ? 24 : 12;
    base_.train.steps = kSavedStep + kFurtherSteps;
    base_.model.vocab_size = 259;  // 7 * 37: every tp pads it
    base_.model.hidden_size = 16;
    base_.model.num_attention_heads = 8;
    base_.model.num_key_value_heads = 4;
    base_.data.sequence_tokens = 8;
    base_.data.validation.clear();
    for (const Extents& extents : grids()) {
      OnGrid& grid = *grids_.emplace_back(std::make_unique<OnGrid>(OnGrid{extents, base_, {}, {}}));
      grid.config.parallel.tensor = extents.tp;
      grid.ranks = join_first_ranks(base_.model, extents);
      on(grid, [&](SteppingRun& run) {
        run.start();
        run.steps(kSavedStep);
        run.save(folder_of(base_, extents.name()));
      });
    }
  }

  /// Runs `work` on the ranks of the grid; the others wait. Collective over the world.
  void on(OnGrid& grid, const std::function<void(SteppingRun&)>& work) {
    if (world().rank() < grid.extents.ranks()) {
      if (!grid.run) grid.run = std::make_unique<SteppingRun>(grid.ranks, grid.config);
      work(*grid.run);
    }
    world().all().barrier("grid is done");
  }

  /// Loads what stands in one folder and saves it into another.
  void pass_on(OnGrid& grid, const std::string& from, const std::string& to) {
    on(grid, [&](SteppingRun& run) {
      EXPECT_TRUE(run.load(from)) << from;
      run.save(to);
    });
  }

  /// The folder in which the grid itself has saved.
  std::string saved_by(const OnGrid& grid) const { return folder_of(base_, grid.extents.name()); }

  void expect_equal_states(const std::string& actual, const std::string& expected) const {
    if (world().rank() != 0) return;
    const auto a = state_of(actual, kSavedStep), b = state_of(expected, kSavedStep);
    EXPECT_EQ(differing_tensors(a, b), "") << a;
    EXPECT_EQ(without_grid(a), without_grid(b)) << a;
  }

  config::RunConfig base_;
  std::vector<std::unique_ptr<OnGrid>> grids_;
};

TEST_P(Reshard, EveryByteArrivesOnEveryOtherGridAndComesBack) {
  int pairs = 0;
  for (const auto& a : grids_) {
    uint64_t hash = 0;
    on(*a, [&](SteppingRun& run) {
      run.load(saved_by(*a));
      hash = run.weights_hash();
    });
    for (const auto& b : grids_) {
      const std::string there = folder_of(base_, a->extents.name() + "-" + b->extents.name());
      const std::string back = there + "-back";
      pass_on(*b, saved_by(*a), there);
      on(*b, [&](SteppingRun& run) {
        // The weights that are computed with: all of them, rounded from the masters in BF16.
        if (world().rank() == 0) {
          EXPECT_EQ(run.weights_hash(), hash) << there;
        } else {
          run.weights_hash();
        }
      });
      pass_on(*a, there, back);
      expect_equal_states(there, saved_by(*a));
      expect_equal_states(back, saved_by(*a));
      ++pairs;
    }
  }
  if (world().rank() == 0) std::printf("reshard: %d ordered pairs of grids\n", pairs);
}

TEST_P(Reshard, EachRankReadsTheBytesOfItsOwnShardsAlone) {
  for (const auto& a : grids_) {
    for (const auto& b : grids_) {
      on(*b, [&](SteppingRun& run) {
        StateReader reader(state_of(saved_by(*a), kSavedStep));
        int64_t own_bytes = 0, all_bytes = 0;
        for (const Shard& shard : train::shards_to_load(run.trainer())) {
          reader.read(shard.name, shard.slice, shard.view);
          own_bytes += shard.view.bytes();
        }
        for (const auto& [name, tensor] : reader.tensors()) {
          all_bytes += tensor.global_shape.numel() * size_bytes(tensor.dtype);
        }
        EXPECT_EQ(reader.read_bytes(), own_bytes);
        // Norm gains and shared heads apart, a rank has its share.
        EXPECT_LT(static_cast<double>(own_bytes),
                  1.2 * static_cast<double>(all_bytes) / b->extents.ranks());
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, Reshard,
                         testing::Values(config::Precision::kFp64, config::Precision::kBf16),
                         [](const auto& test) {
                           return test.param == config::Precision::kFp64 ? "fp64" : "bf16";
                         });

/// What goes on after the state was loaded, in double: only the order of sums differs.
class ReshardedTraining : public Reshard {
 protected:
  using Values = std::map<std::string, std::vector<double>>;

  static Values values_of_state(const std::string& output, int64_t step) {
    Values values;
    visit_tensors(state_of(output, step), [&](const std::string& name, const View& whole) {
      values[name] = values_of(whole);
    });
    return values;
  }

  /// The last state of one process that was never interrupted. On rank 0.
  Values uninterrupted() {
    const std::string output = folder_of(base_, "uninterrupted");
    OnGrid& alone = *grids_.front();
    alone.run.reset();
    on(alone, [&](SteppingRun& run) {
      run.start();
      run.steps(kSavedStep + kFurtherSteps);
      run.save(output);
    });
    return world().rank() == 0 ? values_of_state(output, kSavedStep + kFurtherSteps) : Values();
  }

  /// The worst tensor after further steps from what `load` has loaded. On rank 0.
  double error_after(OnGrid& grid, const std::string& name, const Values& expected,
                     const std::function<void(SteppingRun&)>& load) {
    const std::string output = folder_of(base_, name);
    on(grid, [&](SteppingRun& run) {
      load(run);
      run.steps(kFurtherSteps);
      run.save(output);
    });
    if (world().rank() != 0) return 0;
    const Values actual = values_of_state(output, kSavedStep + kFurtherSteps);
    EXPECT_EQ(actual.size(), expected.size());
    double worst = 0;
    for (const auto& [tensor, values] : expected) {
      worst = std::max(worst, worst_error(actual.at(tensor), values));
    }
    return worst;
  }

  static constexpr double kAllowed = 1e-9;
};

TEST_P(ReshardedTraining, GoesOnAsOneUninterruptedProcess) {
  const Values expected = uninterrupted();
  double worst = 0;
  for (const auto& a : grids_) {
    for (const auto& b : grids_) {
      const std::string name = "after-" + a->extents.name() + "-" + b->extents.name();
      const double error =
          error_after(*b, name, expected, [&](SteppingRun& run) { run.load(saved_by(*a)); });
      EXPECT_LE(error, kAllowed) << name;
      worst = std::max(worst, error);
    }
  }
  if (world().rank() != 0) return;
  std::printf("reshard: worst relative error after %d further steps on any grid %.1e\n",
              static_cast<int>(kFurtherSteps), worst);
}

/// The slice one element later, or earlier where it ends with its tensor.
Shard shifted(Shard shard) {
  const size_t axis = shard.slice.begin.size() - 1;
  const int64_t extent = shard.global_shape[static_cast<int>(axis)];
  const int64_t by = shard.slice.end[axis] < extent ? 1 : -1;
  shard.slice.begin[axis] += by;
  shard.slice.end[axis] += by;
  return shard;
}

/// Loads as a resumed run does, but for one box of one moment.
void load_with_a_fault(SteppingRun& run, const std::filesystem::path& state,
                       const std::function<void(StateReader&, const Shard&)>& fault) {
  bool planted = false;
  run.load_by(state, [&](StateReader& reader, const Shard& shard) {
    const auto axis = shard.slice.begin.size() - 1;
    const bool movable =
        shard.slice.shape()[static_cast<int>(axis)] < shard.global_shape[static_cast<int>(axis)];
    if (!planted && movable && shard.name.starts_with("adam_m/")) {
      planted = true;
      return fault(reader, shard);
    }
    reader.read(shard.name, shard.slice, shard.view);
  });
  EXPECT_TRUE(planted || world().rank() != 0);
}

TEST_P(ReshardedTraining, FindsAShiftedBoxAndAForgottenMoment) {
  const Values expected = uninterrupted();
  OnGrid& a = *grids_.front();
  OnGrid& b = *grids_.back();  // tensors are cut by columns there
  const auto state = state_of(saved_by(a), kSavedStep);
  const auto shift = [](StateReader& reader, const Shard& shard) {
    const Shard wrong = shifted(shard);
    reader.read(wrong.name, wrong.slice, wrong.view);
  };
  const auto forget = [](StateReader&, const Shard& shard) {
    std::memset(shard.view.raw(), 0, static_cast<size_t>(shard.view.bytes()));
  };
  const auto rightly = [](StateReader& reader, const Shard& shard) {
    reader.read(shard.name, shard.slice, shard.view);
  };
  for (const auto& [fault, is_fault] :
       {std::pair<std::function<void(StateReader&, const Shard&)>, bool>(shift, true),
        {forget, true},
        {rightly, false}}) {
    const std::string name = format("fault-{}", is_fault);
    on(b, [&](SteppingRun& run) {
      load_with_a_fault(run, state, fault);
      run.save(folder_of(base_, name));
    });
    const double error = error_after(
        b, name, expected, [&](SteppingRun& run) { load_with_a_fault(run, state, fault); });
    if (world().rank() != 0) continue;
    EXPECT_EQ(error > kAllowed, is_fault) << error;
    const auto differing = differing_tensors(state_of(folder_of(base_, name), kSavedStep), state);
    EXPECT_EQ(differing.empty(), !is_fault) << differing;
  }
}

INSTANTIATE_TEST_SUITE_P(Precisions, ReshardedTraining, testing::Values(config::Precision::kFp64),
                         [](const auto&) { return "fp64"; });

}  // namespace
}  // namespace lckv::test
