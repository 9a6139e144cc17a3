#include "lckv/train/lr_schedule.h"

#include <vector>

#include <gtest/gtest.h>

namespace lckv::train {
namespace {

using config::Schedule;
using config::ScheduleConfig;

constexpr double kLr = 8;
constexpr double kRounding = 8 * 4 * 0x1p-52;  // a handful of operations on numbers up to 8

void expect_rates(const ScheduleConfig& schedule, const std::vector<double>& rates) {
  const auto steps = static_cast<int64_t>(rates.size());
  for (int64_t step = 0; step < steps; ++step) {
    EXPECT_NEAR(learning_rate(schedule, kLr, steps, step), rates[static_cast<size_t>(step)],
                kRounding)
        << "step " << step;
  }
}

TEST(LearningRate, WarmsUpLinearlyToThePeak) {
  expect_rates({.kind = Schedule::kConstant, .warmup_steps = 4}, {2, 4, 6, 8, 8, 8});
}

TEST(LearningRate, LinearReachesTheFinalRateInTheLastStep) {
  expect_rates({.kind = Schedule::kLinear, .warmup_steps = 2, .final_lr_frac = 0.25},
               {4, 8, 8, 6.5, 5, 3.5, 2});
}

TEST(LearningRate, CosineFallsFromThePeakToTheFinalRate) {
  // cos(pi/3) = 1/2, cos(2 pi/3) = -1/2.
  expect_rates({.kind = Schedule::kCosine, .warmup_steps = 1}, {8, 8, 6, 2, 0});
  expect_rates({.kind = Schedule::kCosine, .final_lr_frac = 0.5}, {8, 6, 4});
}

TEST(LearningRate, WsdStaysAndThenFallsOverTheLastSteps) {
  expect_rates({.kind = Schedule::kWsd, .warmup_steps = 1, .decay_frac = 0.4},
               {8, 8, 8, 8, 8, 8, 6, 4, 2, 0});
}

TEST(LearningRate, AWarmUpFractionIsRoundedUp) {
  EXPECT_EQ(warmup_steps({.warmup_frac = 0.015}, 1000), 15);
  EXPECT_EQ(warmup_steps({.warmup_frac = 0.015}, 1001), 16);
  EXPECT_EQ(warmup_steps({.warmup_steps = 3}, 1000), 3);
  EXPECT_EQ(warmup_steps({}, 1000), 0);
}

TEST(LearningRate, OfARunThatIsAllWarmUpEndsAtThePeak) {
  expect_rates({.kind = Schedule::kCosine, .warmup_steps = 4}, {2, 4, 6, 8});
}

TEST(LearningRate, OfOneStepIsDefined) {
  expect_rates({.kind = Schedule::kConstant}, {8});
  expect_rates({.kind = Schedule::kCosine}, {0});
  expect_rates({.kind = Schedule::kWsd, .warmup_steps = 1}, {8});
}

}  // namespace
}  // namespace lckv::train
