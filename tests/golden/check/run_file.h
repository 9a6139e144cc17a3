#pragma once

#include "comparison.h"
#include "golden_file.h"

namespace lckv::golden {

/// How the project's model is run on a golden file.
struct RunSettings {
  DType dtype = DType::kF64;
};

/// Runs the project's own model on the file and compares: logits, nll, loss and every gradient of a
/// case; losses, gradient norms and final weights of a training run; logits of a decoding run, from
/// as many parallel passes as the file's config says.
Report run_file(const GoldenFile& file, const RunSettings& settings);

/// Bound on the error of a program that rounds at unit `eps`: roundings along the longest path are
/// taken as independent, so their effect grows with the square root of their number: eps *
/// sqrt(cells on the path * sums per cell * longest sum * steps) * 8, where 8 allows for the
/// conditioning of softmax, norms and (in training) Adam's division by a small root.
double error_bound(const GoldenFile& file, double eps);

}  // namespace lckv::golden
