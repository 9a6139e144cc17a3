#pragma once

#include <vector>

#include "lckv/train/bench_generate.h"

namespace lckv::train {

/// A row to be measured.
struct GenerateCase {
  size_t subject = 0;
  GenerateTest test;
  int64_t batch = 1;
  GeneratePlan plan;  // memory_bytes 0: the batch was given
};

/// Throws ConfigError when the sequences are longer than the model's positions.
infer::StaticBatch::Options batch_options(const BenchGenerateSettings& settings,
                                          const GenerateSubject& subject, const GenerateTest& test,
                                          int64_t batch);

/// Subject by subject, so that the weights of one at a time are there.
///
///   plans   of plan_generation(), or none where batches are given
std::vector<GenerateCase> list_generate_cases(const BenchGenerateSettings& settings,
                                              const std::vector<GeneratePlan>& plans);

}  // namespace lckv::train
