#include "lckv/train/op_operands.h"

#include <algorithm>

#include "lckv/base/random.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/tensor/transfer.h"

namespace lckv::train {

namespace {

constexpr int64_t kPattern = 1'000'003;  // prime: rows are not equal

Buffer draw(DType dtype, Values values) {
  const Buffer wide(DType::kF64, {kPattern});
  const CounterRng rng(1, static_cast<uint64_t>(dtype));
  for (int64_t i = 0; i < kPattern; ++i) {
    const double uniform = rng.uniform(static_cast<uint64_t>(i));
    wide.view().data<double>()[i] = values == Values::kSigned ? 2 * uniform - 1 : 0.5 + uniform;
  }
  Buffer rounded(dtype, {kPattern});
  Stream host;
  ops::copy(host, rounded.view(), wide.view());
  return rounded;
}

}  // namespace

const Buffer& OperandMaker::pattern(DType dtype, Values values) {
  const auto found = patterns_.find({dtype, values});
  if (found != patterns_.end()) return found->second;
  return patterns_.emplace(std::pair(dtype, values), draw(dtype, values)).first->second;
}

void OperandMaker::repeat_pattern(View flat, const View& pattern, int64_t begin) {
  const int64_t elems = flat.numel(), drawn = std::min(elems, kPattern);
  int64_t done = 0;
  while (done < drawn) {
    const int64_t more = std::min(drawn - done, kPattern - begin);
    transfer(stream_, flat.slice(0, done, done + more), pattern.slice(0, begin, begin + more));
    done += more;
    begin = 0;
  }
  while (done < elems) {  // doubled on the device
    const int64_t more = std::min(done, elems - done);
    transfer(stream_, flat.slice(0, done, done + more), flat.slice(0, 0, more));
    done += more;
  }
}

Buffer OperandMaker::make(const OpOperand& operand, int64_t set) {
  Buffer buffer(operand.dtype, operand.shape, stream_.device());
  if (operand.dtype == DType::kI32) {
    transfer(stream_, buffer.view(),
             ConstView(operand.integers.data(), DType::kI32, operand.shape));
  } else {
    repeat_pattern(buffer.view().reshape({operand.shape.numel()}),
                   pattern(operand.dtype, operand.values).view(), set * 7919 % kPattern);
  }
  stream_.synchronize();
  return buffer;
}

OperandSet::OperandSet(OperandMaker& maker, const OpCase& op_case, int64_t set) {
  for (const OpOperand& operand : op_case.operands) {
    buffers.push_back(maker.make(operand, set));
    views.push_back(buffers.back().view());
  }
}

}  // namespace lckv::train
