#include "lckv/train/spike_detector.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/random.h"

namespace lckv::train {
namespace {

config::GuardsConfig guards(int64_t window_steps, double deviations) {
  config::GuardsConfig guards;
  guards.spike_window_steps = window_steps;
  guards.spike_deviations = deviations;
  return guards;
}

struct Numbers {
  double loss, grad_norm;
};

/// A falling loss with noise, single spikes of loss or norm, a long stretch on a higher level, and
/// a stretch that hardly changes.
std::vector<Numbers> random_run(uint64_t seed, int64_t steps) {
  const CounterRng rng(seed, 1);
  std::vector<Numbers> run;
  for (int64_t i = 0; i < steps; ++i) {
    const auto index = static_cast<uint64_t>(4 * i);
    const bool still = i > steps / 2 && i < steps * 5 / 8;
    const double noise = still ? 1e-6 : 0.05;
    Numbers n{2 + 8 / (1 + 0.01 * static_cast<double>(i)) + noise * rng.normal(index),
              1 + noise * rng.normal(index + 1)};
    if (i > steps * 3 / 4) n.loss *= 3;
    const uint64_t kind = rng.below(index + 2, 40);
    if (kind == 0) n.loss *= 1.5 + rng.uniform(index + 3);
    if (kind == 1) n.grad_norm *= 1.5 + 10 * rng.uniform(index + 3);
    run.push_back(n);
  }
  return run;
}

enum class Fault {
  kNone,
  kSpikesEnterTheWindow,
  kWindowOneTooLong,
  kDividesByOneLess,
  kNoFloor,
  kJudgesTooEarly,
  kNeverStartsOver,
  kStartsOverLate,
  kLooksBelowToo,
  kForgetsTheNorm,
};

/// The definition, from the whole history, with sums in another order and precision.
class Oracle {
 public:
  Oracle(int64_t window_steps, double deviations, Fault fault)
      : steps_(static_cast<size_t>(window_steps)), deviations_(deviations), fault_(fault) {}

  bool look(const Numbers& numbers) {
    bool spike = judge(numbers);
    const size_t most = steps_ / 2 + (fault_ == Fault::kStartsOverLate ? 1 : 0);
    if (spike && in_row_ == most && fault_ != Fault::kNeverStartsOver) {
      ordinary_.clear();
      spike = false;
    }
    in_row_ = spike ? in_row_ + 1 : 0;
    if (!spike || fault_ == Fault::kSpikesEnterTheWindow) ordinary_.push_back(numbers);
    return spike;
  }

 private:
  bool judge(const Numbers& numbers) const {
    const size_t fewest = std::max<size_t>(8, steps_ / 4) - (fault_ == Fault::kJudgesTooEarly);
    if (ordinary_.size() < fewest) return false;
    return far(numbers.loss, &Numbers::loss) ||
           (far(numbers.grad_norm, &Numbers::grad_norm) && fault_ != Fault::kForgetsTheNorm);
  }

  bool far(double value, double Numbers::*member) const {
    const size_t kept =
        std::min(ordinary_.size(), steps_ + (fault_ == Fault::kWindowOneTooLong ? 1 : 0));
    long double sum = 0, squares = 0;
    for (size_t back = 1; back <= kept; ++back) {
      const long double x = ordinary_[ordinary_.size() - back].*member;
      sum += x;
      squares += x * x;
    }
    const auto count = static_cast<long double>(kept);
    const long double mean = sum / count;
    long double variance = std::max(0.0L, squares / count - mean * mean);
    if (fault_ == Fault::kDividesByOneLess) variance *= count / (count - 1);
    const long double floor = fault_ == Fault::kNoFloor ? 0 : mean / 1000;
    const long double distance =
        fault_ == Fault::kLooksBelowToo ? std::abs(value - mean) : value - mean;
    return distance > deviations_ * std::max(std::sqrt(variance), floor);
  }

  size_t steps_;
  double deviations_;
  Fault fault_;
  std::vector<Numbers> ordinary_;
  size_t in_row_ = 0;
};

struct Agreement {
  int64_t spikes = 0, differences = 0;
};

Agreement compare_with_oracle(Fault fault) {
  Agreement result;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    for (const int64_t window_steps : {8, 20, 50, 128}) {
      for (const double deviations : {2.0, 4.0, 6.0}) {
        SpikeDetector detector(guards(window_steps, deviations));
        Oracle oracle(window_steps, deviations, fault);
        for (const Numbers& n : random_run(seed, 1000)) {
          const bool spike = detector.look(n.loss, n.grad_norm).has_value();
          result.spikes += spike ? 1 : 0;
          result.differences += spike != oracle.look(n) ? 1 : 0;
        }
      }
    }
  }
  return result;
}

TEST(SpikeDetector, DecidesAsItsDefinition) {
  const Agreement agreement = compare_with_oracle(Fault::kNone);
  EXPECT_EQ(agreement.differences, 0);
  EXPECT_GT(agreement.spikes, 1000);
}

TEST(SpikeDetector, EveryPlantedFaultOfTheDefinitionIsSeen) {
  for (int fault = 1; fault <= static_cast<int>(Fault::kForgetsTheNorm); ++fault) {
    EXPECT_GT(compare_with_oracle(static_cast<Fault>(fault)).differences, 0) << fault;
  }
}

/// Shows a detector `steps` ordinary steps around these numbers.
void settle(SpikeDetector& detector, const Numbers& around, int64_t steps) {
  for (int64_t i = 0; i < steps; ++i) {
    const double wave = 1 + (i % 2 == 0 ? 0.01 : -0.01);
    ASSERT_FALSE(detector.look(around.loss * wave, around.grad_norm * wave).has_value());
  }
}

/// As a saved state holds it.
SpikeDetector::State through_json(const SpikeDetector::State& state) {
  const auto json = nlohmann::json::parse(nlohmann::json{
      {"l", state.losses},
      {"g", state.grad_norms},
      {"s", state.spikes_in_row}}.dump());
  return {json.at("l"), json.at("g"), json.at("s")};
}

TEST(SpikeDetector, GoesOnFromASavedStateBitForBit) {
  for (const int64_t window_steps : {8, 50}) {
    const config::GuardsConfig config = guards(window_steps, 3);
    SpikeDetector whole(config), resumed(config);
    for (const Numbers& n : random_run(7, 600)) {
      SpikeDetector fresh(config);
      fresh.restore(through_json(resumed.state()));
      resumed = fresh;
      const auto expected = whole.look(n.loss, n.grad_norm);
      const auto actual = resumed.look(n.loss, n.grad_norm);
      ASSERT_EQ(actual.has_value(), expected.has_value());
      if (actual) {
        EXPECT_EQ(actual->deviations, expected->deviations);
      }
      ASSERT_EQ(resumed.state(), whole.state());
    }
  }
}

TEST(SpikeDetector, KeepsTheNewestStepsOfALongerWindow) {
  SpikeDetector longer(guards(20, 3)), shorter(guards(8, 3)), cut(guards(8, 3));
  for (const Numbers& n : random_run(7, 12)) {
    longer.look(n.loss, n.grad_norm);
    shorter.look(n.loss, n.grad_norm);
  }
  cut.restore(longer.state());
  EXPECT_EQ(cut.state(), shorter.state());
}

TEST(SpikeDetector, StartsOverThoughAShorterWindowTakesOverManySpikes) {
  SpikeDetector longer(guards(128, 6)), shorter(guards(8, 6));
  settle(longer, {2, 1}, 40);
  for (int64_t i = 0; i < 60; ++i) ASSERT_TRUE(longer.look(5, 1).has_value());
  shorter.restore(longer.state());
  EXPECT_FALSE(shorter.look(5, 1).has_value());
}

TEST(SpikeDetector, RefusesAStateThatItDoesNotGive) {
  SpikeDetector detector(guards(8, 3));
  const SpikeDetector::State before = detector.state();
  for (const SpikeDetector::State& bad : std::vector<SpikeDetector::State>{
           {{1, 2}, {1}, 0}, {{1}, {1}, -1}, {{std::nan("")}, {1}, 0}, {{1}, {INFINITY}, 0}}) {
    EXPECT_THROW(detector.restore(bad), DataError);
  }
  EXPECT_EQ(detector.state(), before);
}

TEST(SpikeDetector, ALastingLevelIsASpikeForHalfAWindowAndThenOrdinary) {
  for (const int64_t window_steps : {8, 9, 128}) {
    SpikeDetector detector(guards(window_steps, 6));
    settle(detector, {2, 1}, 300);
    int64_t spikes = 0;
    while (detector.look(5, 1)) ++spikes;
    EXPECT_EQ(spikes, window_steps / 2);
    EXPECT_EQ(detector.state().losses, std::vector<double>{5});
    settle(detector, {5, 1}, 300);
    EXPECT_TRUE(detector.look(7, 1).has_value());
  }
}

TEST(SpikeDetector, WhateverComesMostStepsAreOrdinary) {
  // Each step is ten times the one before: every one is a spike beside any window.
  SpikeDetector detector(guards(8, 6));
  int64_t in_row = 0, worst = 0;
  double loss = 1e-300;
  for (int64_t i = 0; i < 600; ++i) {
    in_row = detector.look(loss *= 10, 1) ? in_row + 1 : 0;
    worst = std::max(worst, in_row);
  }
  EXPECT_EQ(worst, 4);
}

TEST(SpikeDetector, ASpikeLeavesTheWindowAlone) {
  SpikeDetector detector(guards(20, 6));
  settle(detector, {2, 1}, 30);
  SpikeDetector::State expected = detector.state();
  EXPECT_TRUE(detector.look(9, 1).has_value());
  expected.spikes_in_row = 1;
  EXPECT_EQ(detector.state(), expected);
  EXPECT_FALSE(detector.look(2, 1).has_value());
  EXPECT_EQ(detector.state().spikes_in_row, 0);
}

TEST(SpikeDetector, JudgesNothingBeforeAQuarterOfTheWindow) {
  for (const auto& [window_steps, first] :
       std::vector<std::pair<int64_t, int64_t>>{{8, 8}, {20, 8}, {32, 8}, {128, 32}}) {
    SpikeDetector early(guards(window_steps, 6)), in_time(guards(window_steps, 6));
    settle(early, {2, 1}, first - 1);
    EXPECT_FALSE(early.look(1000, 1000).has_value());
    settle(in_time, {2, 1}, first);
    EXPECT_TRUE(in_time.look(1000, 1000).has_value());
  }
}

TEST(SpikeDetector, RoundingBesideAConstantLossIsNoSpike) {
  for (const double loss : {1e-30, 0.02, 3.7, 1e12}) {
    SpikeDetector detector(guards(16, 6));
    for (int64_t i = 0; i < 100; ++i) ASSERT_FALSE(detector.look(loss, loss).has_value());
    // BF16 differs by 2^-8 of a value; the floor lets six times 1/1000 pass.
    EXPECT_FALSE(detector.look(loss * (1 + 0x1p-8), loss).has_value());
    EXPECT_FALSE(detector.look(loss, loss * (1 + 0x1p-8)).has_value());
    EXPECT_TRUE(detector.look(loss * 1.01, loss).has_value());
    EXPECT_TRUE(detector.look(loss, loss * 1.01).has_value());
  }
}

TEST(SpikeDetector, NothingIsASpikeBesideZeros) {
  SpikeDetector detector(guards(16, 6));
  for (int64_t i = 0; i < 20; ++i) ASSERT_FALSE(detector.look(0, 0).has_value());
  EXPECT_FALSE(detector.look(3, 1).has_value());
}

TEST(SpikeDetector, ASuddenFallIsNoSpike) {
  SpikeDetector detector(guards(16, 2));
  settle(detector, {2, 1}, 20);
  EXPECT_FALSE(detector.look(0.1, 0.1).has_value());
}

TEST(SpikeDetector, SwitchedOffItSeesAndKeepsNothing) {
  SpikeDetector detector(guards(0, 6));
  for (int64_t i = 0; i < 20; ++i) detector.look(1, 1);
  EXPECT_FALSE(detector.look(1e9, 1e9).has_value());
  EXPECT_EQ(detector.state(), SpikeDetector::State());
}

TEST(SpikeDetector, RefusesNumbersThatAreNotFinite) {
  SpikeDetector detector(guards(8, 6));
  EXPECT_THROW(detector.look(std::nan(""), 1), InternalError);
  EXPECT_THROW(detector.look(1, INFINITY), InternalError);
}

TEST(SpikeDetector, SaysWhatLiesFurthestOut) {
  SpikeDetector detector(guards(16, 6));
  settle(detector, {2, 1}, 20);
  const auto norm = detector.look(3, 41.25);
  ASSERT_TRUE(norm.has_value());
  EXPECT_EQ(to_text(812, *norm, false),
            "step 812: gradient norm 41.25 is 4025.0 standard deviations above the mean 1 of the "
            "last 16 ordinary steps: update skipped");
  const auto loss = detector.look(3, 1);
  ASSERT_TRUE(loss.has_value());
  EXPECT_EQ(to_text(813, *loss, true),
            "step 813: loss 3 is 50.0 standard deviations above the mean 2 of the last 16 ordinary "
            "steps: update applied");
}

}  // namespace
}  // namespace lckv::train
