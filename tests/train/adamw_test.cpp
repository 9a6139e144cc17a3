#include "lckv/train/adamw.h"

#include <cmath>
#include <limits>
#include <memory>

#include <gtest/gtest.h>

#include "lckv/test_support/test_network.h"

namespace lckv::train {
namespace {

using model::Parameter;
using model::ParameterSet;

/// Weights, gradients and optimizer of a small model; weights all 1, gradients all 0.
class AdamWTest : public testing::Test {
 protected:
  struct Parts {
    Parts(Arena& arena, const model::ParameterTable& table, DType dtype)
        : weights(table, arena, "weights", dtype),
          gradients(table, arena, "gradients", accumulator(dtype)),
          optimizer(arena, table, dtype, /*dp_rank=*/0) {}
    ParameterSet weights, gradients;
    AdamW optimizer;
  };

  Parts& make(DType dtype) {
    const model::ParameterTable table = model::make_parameter_table(test::small_config("0_2_2_3"));
    Arena planned = Arena::planning();
    Parts(planned, table, dtype);
    arena_ = std::make_unique<Arena>(Arena::allocate(planned));
    parts_ = std::make_unique<Parts>(*arena_, table, dtype);
    for (const View& storage : parts_->weights.storages()) fill(storage, 1);
    if (!parts_->optimizer.has_masters()) return *parts_;
    for (const View& master : parts_->optimizer.masters().parts()) fill(master, 1);
    return *parts_;
  }

  static void fill(const View& view, double value) {
    with_float_type(view.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      std::fill_n(view.data<T>(), view.numel(),
                  static_cast<T>(static_cast<AccumulatorOf<T>>(value)));
    });
  }

  double norm_squared() {
    return parts_->optimizer
        .measure(stream_, parts_->weights, parts_->gradients, ConstView(&loss_, DType::kF64, {1}),
                 *comm::single_process().world)
        .gradient_squared;
  }

  void update(double lr, const config::OptimizerConfig& settings, int64_t step = 1) {
    norm_squared();
    for (int b = 0; b < static_cast<int>(parts_->weights.buckets().size()); ++b) {
      parts_->optimizer.update(stream_, b, parts_->weights, parts_->gradients, settings, lr, step);
    }
  }

  Stream stream_;
  const double loss_ = 0;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Parts> parts_;
};

TEST_F(AdamWTest, DecaysMatricesAndLeavesNormGains) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
    const Parts& parts = make(dtype);
    config::OptimizerConfig settings;
    settings.weight_decay = 0.5;
    update(0.25, settings);
    for (const Parameter& parameter : parts.weights.table().parameters) {
      const double expected = parameter.role == model::Role::kNorm ? 1 : 1 - 0.25 * 0.5;
      for (const double value : test::values_of(parts.weights.view(parameter))) {
        ASSERT_EQ(value, expected) << parameter.name << " in " << name(dtype);
      }
    }
  }
}

TEST_F(AdamWTest, TheFirstStepMovesEveryWeightByTheLearningRate) {
  // m / (1 - beta1) = g and sqrt(v / (1 - beta2)) = |g|: the step is lr * g / (|g| + eps).
  const Parts& parts = make(DType::kF64);
  for (const View& storage : parts.gradients.storages()) fill(storage, -0.001);
  config::OptimizerConfig settings;
  settings.weight_decay = 0;
  settings.clip_norm = 0;
  update(0.25, settings);
  const double expected = 1 + 0.25 * 0.001 / (0.001 + settings.eps);
  for (const View& storage : parts.weights.storages()) {
    for (const double value : test::values_of(storage)) {
      ASSERT_NEAR(value, expected,
                  32 * 0x1p-53);  // a dozen roundings, two square roots' worth of conditioning
    }
  }
}

TEST_F(AdamWTest, ClippingActsOnTheGlobalNorm) {
  // Adam does not notice the size of a first gradient; its first moment does.
  const Parts& parts = make(DType::kF64);
  for (const View& storage : parts.gradients.storages()) fill(storage, 3);
  const auto count = static_cast<double>(parts.weights.table().element_count());
  config::OptimizerConfig settings;
  settings.clip_norm = 2;
  settings.beta1 = 0.75;
  update(0.1, settings);
  const double norm = 3 * std::sqrt(count);
  const double expected = 0.25 * 3 * 2 / (norm + 1e-6);
  for (const View& storage : parts.optimizer.first_moments().whole().storages()) {
    for (const double value : test::values_of(storage)) {
      ASSERT_NEAR(value, expected, 32 * 0x1p-53 * expected);
    }
  }
}

TEST_F(AdamWTest, TheNormOfTheGradientCoversEveryTensor) {
  const Parts& parts = make(DType::kF32);
  double expected = 0;
  double value = 1;
  for (const View& storage : parts.gradients.storages()) {
    fill(storage, value);
    expected += value * value * static_cast<double>(storage.numel());
    value += 1;
  }
  EXPECT_EQ(norm_squared(), expected);
}

TEST_F(AdamWTest, WhatElseAnUpdateReadsIsMeasuredBesideTheNorm) {
  for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
    const Parts& parts = make(dtype);  // weights and masters are 1
    for (const View& storage : parts.gradients.storages()) fill(storage, 4);
    for (const View& part : parts.optimizer.first_moments().whole().storages()) fill(part, 2);
    for (const View& part : parts.optimizer.second_moments().whole().storages()) fill(part, 3);
    const double loss = 5;
    const AdamW::Norms norms = parts_->optimizer.measure(stream_, parts.weights, parts.gradients,
                                                         ConstView(&loss, DType::kF64, {1}),
                                                         *comm::single_process().world);
    const auto count = static_cast<double>(parts.weights.table().element_count());
    EXPECT_EQ(norms.gradient_squared, 16 * count);
    EXPECT_EQ(norms.rest_squared, (1 + 4 + 9) * count + 25);
  }
}

TEST_F(AdamWTest, OneElementThatIsNotANumberShowsInTheNorm) {
  for (const float bad : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    Parts& parts = make(DType::kF32);
    for (const View& storage : parts.gradients.storages()) {
      fill(storage, 0);
      storage.data<float>()[storage.numel() - 1] = bad;
      EXPECT_FALSE(std::isfinite(norm_squared()));
      fill(storage, 0);
    }
    EXPECT_EQ(norm_squared(), 0);
  }
}

TEST_F(AdamWTest, MastersCollectStepsTooSmallForBf16) {
  // 2^-10 is lost beside a BF16 1, whose neighbours are 2^-8 and 2^-7 away; eight of them are not.
  const Parts& parts = make(DType::kBF16);
  ASSERT_TRUE(parts.optimizer.has_masters());
  for (const View& storage : parts.gradients.storages()) fill(storage, 1);
  config::OptimizerConfig settings;
  settings.weight_decay = 0;
  settings.clip_norm = 0;
  for (int64_t step = 1; step <= 8; ++step) update(0x1p-10, settings, step);
  const View weight = parts.weights.storages()[0],
             master = parts.optimizer.masters().whole().storages()[0];
  EXPECT_EQ(master.dtype(), DType::kF32);
  // Eight steps of 1 - eps each, a few F32 roundings per step.
  EXPECT_NEAR(test::values_of(master)[0], 1 - 8 * 0x1p-10, 8 * 4 * 0x1p-24 + 8 * 0x1p-10 * 1e-6);
  EXPECT_EQ(test::values_of(weight)[0], 1 - 8 * 0x1p-10);
}

TEST_F(AdamWTest, WeightsOfFullPrecisionAreTheirOwnMasters) {
  EXPECT_FALSE(make(DType::kF32).optimizer.has_masters());
  EXPECT_FALSE(make(DType::kF64).optimizer.has_masters());
}

}  // namespace
}  // namespace lckv::train
