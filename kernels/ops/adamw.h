#pragma once

#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

namespace lckv::ops {

struct AdamWStep {
  double lr = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0;  // of this tensor: 0 for norm gains
  int64_t step = 1;         // counts from 1: the exponent of the bias corrections
};

/// One update of decoupled-decay Adam, element by element, with i = step:
///
///   g' = g * grad_scale      master = master * (1 - lr * weight_decay)
///   m = beta1 m + (1 - beta1) g'      v = beta2 v + (1 - beta2) g'^2
///   master -= lr * (m / (1 - beta1^i)) / (sqrt(v / (1 - beta2^i)) + eps)      w = round(master)
///
/// Loshchilov & Hutter 2019, arXiv:1711.05101.
///
///   w           [n]  out      BF16, F32 or F64; the same memory as master when w is not BF16
///   master      [n]  in/out   F32 (F64 if w is)
///   m, v        [n]  in/out   dtype of master
///   g           [n]           dtype of master; not scaled yet
///   grad_scale  [1]           dtype of master: the clip factor, still on the device
void adamw_update(Stream& stream, View w, View master, View m, View v, ConstView g,
                  ConstView grad_scale, const AdamWStep& step);

}  // namespace lckv::ops
