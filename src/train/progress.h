#pragma once

#include <cstdint>
#include <string>

#include "lckv/base/clock.h"

namespace lckv::train {

/// Numbers of one progress line.
struct ProgressPoint {
  int64_t step = 0, steps = 0;
  double loss = 0, lr = 0, grad_norm = 0;
  double tokens_per_s = 0;
  double executed_frac = 0;  // executed FLOP/s over the measured matmul rate
  double useful_frac = 0;    // the same for a plain Llama of this shape
  double remaining_s = 0;
};

/// "step 120/1000 loss 3.1415 lr 2.9e-04 grad 0.83 12 345 tok/s exec 78% useful 39% ETA 2 min 03 s"
std::string to_text(const ProgressPoint& point);

/// Shows progress on stderr: on a terminal one line that is written over, elsewhere whole lines,
/// one every ten seconds; the first and the last step always.
class ProgressLine {
 public:
  explicit ProgressLine(bool watched);
  ~ProgressLine();
  void show(const ProgressPoint& point);
  /// Ends the current line, so that other output begins on a new one.
  void finish();

 private:
  bool watched_;
  bool open_ = false;
  bool first_ = true;
  Stopwatch since_last_;
};

}  // namespace lckv::train
