#pragma once

#include "lckv/kernels/cpu/per_isa/kernels.h"

// Attention of doubles in plain loops, straight from the op's equations: the reference of tests and
// golden runs. It shares nothing with the blocked kernels but the mask.
LCKV_CPU_BEGIN

void attention_forward_double(View out, View lse, const ConstView& q, const ConstView& k,
                              const ConstView& v, const AttentionMask& mask);

void attention_backward_double(View dq, View dk, View dv, const ConstView& dout,
                               const ConstView& out, const ConstView& lse, const ConstView& q,
                               const ConstView& k, const ConstView& v, const AttentionMask& mask,
                               GradMode mode);

LCKV_CPU_END
