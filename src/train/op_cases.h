#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lckv/model/dims.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::train {

enum class Access : uint8_t { kRead, kWritten, kUpdated };  // updated: read, then written

/// Uniform numbers.
enum class Values : uint8_t { kSigned, kPositive };  // in [-1, 1) or [0.5, 1.5)

/// A tensor that a measured op works on.
struct OpOperand {
  DType dtype = DType::kF32;
  Shape shape{};
  Access access = Access::kRead;
  Values values = Values::kSigned;
  std::vector<int32_t> integers{};  // of an I32 operand, all of its elements
  int64_t touched = -1;             // elements that the op reads or writes; -1: all of them

  int64_t bytes() const { return shape.numel() * size_bytes(dtype); }
  /// The fewest: read once, written once.
  int64_t moved_bytes() const;
};

/// One op at one shape of a model, with what it has to do at the least.
struct OpCase {
  using Operands = std::span<const View>;

  std::string op;    // the member of ops::KernelTable
  std::string part;  // of the model: "gate_up", "queries", ...; "" where there is one alone
  std::string shape;
  std::vector<OpOperand> operands;
  /// Multiply-add = 2; 0 for ops that are limited by the bytes they move. Attention: over the
  /// visible pairs of query and key exactly; backward without the scores that it computes again.
  double flops = 0;
  std::function<void(Stream&, Operands)> run;

  int64_t operand_bytes() const;
  int64_t moved_bytes() const;
};

/// Every op of the KernelTable, some at several shapes: those of a training step on dims.B
/// sequences of dims.T tokens with activations of `dtype`, as one rank runs it. Logits are as many
/// rows at once as in training. The ops that only a split vocabulary needs get the whole one, of 8
/// ranks that are joined; those of decoding, one more token of each sequence.
std::vector<OpCase> list_op_cases(const model::Dims& dims, DType dtype, Device device = {});

}  // namespace lckv::train
