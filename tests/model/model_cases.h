#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/test_support/test_network.h"

namespace lckv::model {

/// One body over all dtypes.
class ModelLaw : public testing::TestWithParam<DType> {
 protected:
  DType dtype() const { return GetParam(); }
};

inline auto every_dtype() { return testing::Values(DType::kF64, DType::kF32, DType::kBF16); }

inline std::string dtype_name(const testing::TestParamInfo<DType>& info) {
  return std::string(name(info.param));
}

/// Layouts in which every kind of dead work occurs, and those without any.
inline const std::vector<std::string>& layouts() {
  static const std::vector<std::string> list = {"0_1_2",   "0_3_3_3_4", "3_3_3_3",   "1_1_3_3",
                                                "0_2_2_2", "2_1_2_1",   "2_2_4_3_4", "0s_3s_3_3_3"};
  return list;
}

/// What one step computes: loss and all gradients.
struct Outcome {
  double loss = 0;
  std::vector<double> gradients;
  bool operator==(const Outcome&) const = default;
};

inline Outcome outcome(test::TestNetwork& network, const TokenBatch& batch) {
  const double loss = network.score_with_gradient(batch);
  return {loss, network.gradient_values()};
}

inline Outcome outcome(const config::ModelConfig& config, const ModelOptions& options,
                       const test::RandomBatch& batch) {
  test::TestNetwork network(config, options);
  return outcome(network, batch.batch());
}

}  // namespace lckv::model
