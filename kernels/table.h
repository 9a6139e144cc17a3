#pragma once

#include "lckv/kernels/ops/adamw.h"
#include "lckv/kernels/ops/attention.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/kernels/ops/embedding.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/kernels/ops/paged_attention.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/kernels/ops/rmsnorm.h"
#include "lckv/kernels/ops/rope.h"
#include "lckv/kernels/ops/swiglu.h"

namespace lckv::ops {

/// What a backend must provide: one kernel per op, with the op's own signature and contract (see
/// the op's header). The op checks its arguments once and calls the table of its stream's device;
/// kernels trust what they get.
///
/// The members are references: a backend that misses one does not compile.
struct KernelTable {
  const char* name;  // "cpu avx512", "cuda", ...: shown at start-up

  decltype(ops::rmsnorm_forward)& rmsnorm_forward;
  decltype(ops::rmsnorm_backward)& rmsnorm_backward;
  decltype(ops::rope_forward)& rope_forward;
  decltype(ops::rope_backward)& rope_backward;
  decltype(ops::rope_tables)& rope_tables;
  decltype(ops::swiglu_forward)& swiglu_forward;
  decltype(ops::swiglu_backward)& swiglu_backward;
  decltype(ops::embedding_forward)& embedding_forward;
  decltype(ops::embedding_backward)& embedding_backward;
  decltype(ops::matmul_forward)& matmul_forward;
  decltype(ops::matmul_add_forward)& matmul_add_forward;
  decltype(ops::matmul_backward_input)& matmul_backward_input;
  decltype(ops::matmul_backward_weight)& matmul_backward_weight;
  decltype(ops::attention_forward)& attention_forward;
  decltype(ops::attention_backward)& attention_backward;
  decltype(ops::paged_attention_forward)& paged_attention_forward;
  decltype(ops::cross_entropy_forward)& cross_entropy_forward;
  decltype(ops::cross_entropy_forward_backward)& cross_entropy_forward_backward;
  decltype(ops::cross_entropy_part)& cross_entropy_part;
  decltype(ops::cross_entropy_join)& cross_entropy_join;
  decltype(ops::cross_entropy_part_backward)& cross_entropy_part_backward;
  decltype(ops::adamw_update)& adamw_update;
  decltype(ops::sum)& sum;
  decltype(ops::sum_of_squares)& sum_of_squares;
  decltype(ops::row_changes)& row_changes;
  decltype(ops::argmax)& argmax;
  decltype(ops::clip_scale)& clip_scale;
  decltype(ops::copy)& copy;
  decltype(ops::copy_numbered_rows)& copy_numbered_rows;
  decltype(ops::fill_zero)& fill_zero;
  decltype(ops::add)& add;
};

/// The backend of a device. Throws CudaError "built without CUDA" for a device this build does not
/// serve.
const KernelTable& kernels(Device device);

/// The CPU backend for the instruction set of this machine (feature bits, never the model number).
const KernelTable& cpu_kernels();
const KernelTable& cuda_kernels();

}  // namespace lckv::ops
