#pragma once

#include <cstdint>
#include <optional>

#include "lckv/train/spike_detector.h"

namespace lckv::train {

/// A validation of the run.
struct ValidationMark {
  int64_t step = 0;
  double loss = 0;
  bool is_exact = false;  // the loss is that of the fixed point, not of the passes of training
};

/// Where a run stands between two steps, beside its tensors.
struct RunPosition {
  int64_t step = 0;       // updates done or left out
  int64_t updates = 0;    // updates applied: the exponent of Adam's bias corrections
  int64_t sequences = 0;  // position in the token stream
  double lr = 0;          // of the last step
  int64_t skipped = 0;    // updates left out so far, and of these not finite just before
  int64_t nonfinite_in_row = 0;
  bool validation_due = false;  // the validation or evaluation after this step was interrupted
  // The last one, in the passes of training; the one of lowest loss, of the kind that chooses.
  std::optional<ValidationMark> validation, best;
  SpikeDetector::State spikes;
};

}  // namespace lckv::train
