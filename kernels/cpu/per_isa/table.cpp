#include "lckv/kernels/cpu/per_isa/kernels.h"

#define LCKV_STRINGIFY_VALUE(x) #x
#define LCKV_STRINGIFY(x) LCKV_STRINGIFY_VALUE(x)

LCKV_CPU_BEGIN

const KernelTable& table() {
  static const KernelTable instance = {
      .name = "cpu " LCKV_STRINGIFY(LCKV_CPU_ISA),
      .rmsnorm_forward = rmsnorm_forward,
      .rmsnorm_backward = rmsnorm_backward,
      .rope_forward = rope_forward,
      .rope_backward = rope_backward,
      .rope_tables = rope_tables,
      .swiglu_forward = swiglu_forward,
      .swiglu_backward = swiglu_backward,
      .embedding_forward = embedding_forward,
      .embedding_backward = embedding_backward,
      .matmul_forward = matmul_forward,
      .matmul_add_forward = matmul_add_forward,
      .matmul_backward_input = matmul_backward_input,
      .matmul_backward_weight = matmul_backward_weight,
      .attention_forward = attention_forward,
      .attention_backward = attention_backward,
      .paged_attention_forward = paged_attention_forward,
      .cross_entropy_forward = cross_entropy_forward,
      .cross_entropy_forward_backward = cross_entropy_forward_backward,
      .cross_entropy_part = cross_entropy_part,
      .cross_entropy_join = cross_entropy_join,
      .cross_entropy_part_backward = cross_entropy_part_backward,
      .adamw_update = adamw_update,
      .sum = sum,
      .sum_of_squares = sum_of_squares,
      .row_changes = row_changes,
      .argmax = argmax,
      .clip_scale = clip_scale,
      .copy = copy,
      .copy_numbered_rows = copy_numbered_rows,
      .fill_zero = fill_zero,
      .add = add,
  };
  return instance;
}

LCKV_CPU_END
