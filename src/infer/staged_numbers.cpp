#include "lckv/infer/staged_numbers.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/tensor/transfer.h"

namespace lckv::infer {

StagedNumbers::StagedNumbers(Arena& arena, int64_t count)
    : device_(arena.take("tables", "numbers", DType::kI32, {count})) {}

void StagedNumbers::prepare(Stream& stream) {
  for (Staged& staged : staged_) {
    staged.numbers = Buffer::staging(DType::kI32, device_.shape(), stream.device());
    staged.copied = Event(stream.device());
  }
}

void StagedNumbers::begin() {
  turn_ = (turn_ + 1) % staged_.size();
  staged_[turn_].copied.synchronize();
  taken_ = 0;
}

StagedNumbers::Piece StagedNumbers::take(int64_t count) {
  LCKV_CHECK(taken_ + count <= device_.numel(),
             format("{} numbers do not fit {}", taken_ + count, device_.numel()));
  auto* const host = staged_[turn_].numbers.view().data<int32_t>() + taken_;
  const ConstView device = device_.slice(0, taken_, taken_ + count);
  taken_ += count;
  return {{host, static_cast<size_t>(count)}, device};
}

void StagedNumbers::send(Stream& stream) {
  if (taken_ == 0) return;
  transfer(stream, device_.slice(0, 0, taken_), staged_[turn_].numbers.view().slice(0, 0, taken_));
  staged_[turn_].copied.record(stream);
}

}  // namespace lckv::infer
