#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lckv/infer/sampling_options.h"

namespace lckv::infer {

/// A token that may be drawn, with the logarithm of its probability up to a constant.
struct Candidate {
  int32_t token = 0;
  double logit = 0;
  double weight = 0;  // scratch of keep_top_p
};

/// The filters of spec/evaluation.md 10, one function each. They change or drop candidates, never
/// the last one, and may reorder them.

/// Of tokens that stand in `history`: l > 0 ? l / repetition_penalty : l * repetition_penalty, once
/// per token, then l -= count * frequency_penalty + presence_penalty.
///
///   counts   by token id, all zero before and after; at least as many as the largest id + 1 of
///            candidates and history
void apply_penalties(std::vector<Candidate>& candidates, const SamplingOptions& options,
                     std::span<const int32_t> history, std::vector<int32_t>& counts);

/// l / temperature; temperature > 0.
void apply_temperature(std::vector<Candidate>& candidates, double temperature);

/// The k with the largest logits, and those that equal the smallest of them, as Hugging Face has
/// it. k = 0: all.
void keep_top_k(std::vector<Candidate>& candidates, int64_t k);

/// The smallest set of likeliest tokens whose mass reaches p, the crossing one included; of equal
/// ones the lower id is likelier. At least one. p = 1: all.
void keep_top_p(std::vector<Candidate>& candidates, double p);

/// Those with l >= l_max + ln(min_p), that is with min_p times the largest probability or more.
/// min_p = 0: all.
void keep_min_p(std::vector<Candidate>& candidates, double min_p);

}  // namespace lckv::infer
