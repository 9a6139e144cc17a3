#pragma once

#include "lckv/kernels/table.h"

// The kernels of one instruction set. This folder is compiled once per instruction set with
// LCKV_CPU_ISA naming the namespace (baseline, avx2, avx512), so nothing here may have external
// linkage outside of that namespace.
#define LCKV_CPU_BEGIN namespace lckv::ops::LCKV_CPU_ISA {
#define LCKV_CPU_END }

LCKV_CPU_BEGIN

using lckv::ops::AdamWStep;
using lckv::ops::AttentionMask;
using lckv::ops::GradMode;
using lckv::ops::PagedKeys;
using lckv::ops::VocabularyPart;

decltype(ops::rmsnorm_forward) rmsnorm_forward;
decltype(ops::rmsnorm_backward) rmsnorm_backward;
decltype(ops::rope_forward) rope_forward;
decltype(ops::rope_backward) rope_backward;
decltype(ops::rope_tables) rope_tables;
decltype(ops::swiglu_forward) swiglu_forward;
decltype(ops::swiglu_backward) swiglu_backward;
decltype(ops::embedding_forward) embedding_forward;
decltype(ops::embedding_backward) embedding_backward;
decltype(ops::matmul_forward) matmul_forward;
decltype(ops::matmul_add_forward) matmul_add_forward;
decltype(ops::matmul_backward_input) matmul_backward_input;
decltype(ops::matmul_backward_weight) matmul_backward_weight;
decltype(ops::attention_forward) attention_forward;
decltype(ops::attention_backward) attention_backward;
decltype(ops::paged_attention_forward) paged_attention_forward;
decltype(ops::cross_entropy_forward) cross_entropy_forward;
decltype(ops::cross_entropy_forward_backward) cross_entropy_forward_backward;
decltype(ops::cross_entropy_part) cross_entropy_part;
decltype(ops::cross_entropy_join) cross_entropy_join;
decltype(ops::cross_entropy_part_backward) cross_entropy_part_backward;
decltype(ops::adamw_update) adamw_update;
decltype(ops::sum) sum;
decltype(ops::sum_of_squares) sum_of_squares;
decltype(ops::row_changes) row_changes;
decltype(ops::argmax) argmax;
decltype(ops::clip_scale) clip_scale;
decltype(ops::copy) copy;
decltype(ops::copy_numbered_rows) copy_numbered_rows;
decltype(ops::fill_zero) fill_zero;
decltype(ops::add) add;

/// This instruction set's table.
const KernelTable& table();

LCKV_CPU_END
