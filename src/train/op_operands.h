#pragma once

#include <map>
#include <utility>
#include <vector>

#include "lckv/tensor/buffer.h"
#include "lckv/train/op_cases.h"

namespace lckv::train {

/// Makes tensors of random values quickly, on any device: a million and three values, drawn once
/// for each dtype, are repeated from a place that depends on the set.
class OperandMaker {
 public:
  explicit OperandMaker(Device device) : stream_(device) {}
  Buffer make(const OpOperand& operand, int64_t set);

 private:
  const Buffer& pattern(DType dtype, Values values);
  void repeat_pattern(View flat, const View& pattern, int64_t begin);

  Stream stream_;
  std::map<std::pair<DType, Values>, Buffer> patterns_;  // in host memory
};

/// What one run of an op works on.
struct OperandSet {
  std::vector<Buffer> buffers;
  std::vector<View> views;

  OperandSet(OperandMaker& maker, const OpCase& op_case, int64_t set);
};

}  // namespace lckv::train
