#include "lckv/kernels/cuda/kernels.h"

namespace lckv::ops {

const KernelTable& cuda_kernels() {
  static const KernelTable instance = {
      .name = "cuda",
      .rmsnorm_forward = cuda::rmsnorm_forward,
      .rmsnorm_backward = cuda::rmsnorm_backward,
      .rope_forward = cuda::rope_forward,
      .rope_backward = cuda::rope_backward,
      .rope_tables = cuda::rope_tables,
      .swiglu_forward = cuda::swiglu_forward,
      .swiglu_backward = cuda::swiglu_backward,
      .embedding_forward = cuda::embedding_forward,
      .embedding_backward = cuda::embedding_backward,
      .matmul_forward = cuda::matmul_forward,
      .matmul_add_forward = cuda::matmul_add_forward,
      .matmul_backward_input = cuda::matmul_backward_input,
      .matmul_backward_weight = cuda::matmul_backward_weight,
      .attention_forward = cuda::attention_forward,
      .attention_backward = cuda::attention_backward,
      .paged_attention_forward = cuda::paged_attention_forward,
      .cross_entropy_forward = cuda::cross_entropy_forward,
      .cross_entropy_forward_backward = cuda::cross_entropy_forward_backward,
      .cross_entropy_part = cuda::cross_entropy_part,
      .cross_entropy_join = cuda::cross_entropy_join,
      .cross_entropy_part_backward = cuda::cross_entropy_part_backward,
      .adamw_update = cuda::adamw_update,
      .sum = cuda::sum,
      .sum_of_squares = cuda::sum_of_squares,
      .row_changes = cuda::row_changes,
      .argmax = cuda::argmax,
      .clip_scale = cuda::clip_scale,
      .copy = cuda::copy,
      .copy_numbered_rows = cuda::copy_numbered_rows,
      .fill_zero = cuda::fill_zero,
      .add = cuda::add,
  };
  return instance;
}

}  // namespace lckv::ops
