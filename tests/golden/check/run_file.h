#pragma once

#include "comparison.h"
#include "golden_file.h"
#include "lckv/comm/communicators.h"
#include "lckv/comm/world.h"
#include "lckv/config/parallel.h"

namespace lckv::golden {

/// How the project's model is run on a golden file.
struct RunSettings {
  DType dtype = DType::kF64;
  int tensor = 1;  // ranks that share the model; the others are copies with rows of their own
  bool sequence_parallel = false;
  Device device;
  config::DeviceComm device_comm = config::DeviceComm::kAuto;
};

/// Runs the project's own model on the file, on all ranks of the world, and compares on rank 0:
/// logits, nll, loss and every gradient of a case; losses, gradient norms and final weights of a
/// training run; logits of a decoding run, token by token and from as many parallel passes as the
/// file's config says. Throws ConfigError when the model does not fit the grid.
Report run_file(comm::World& world, const GoldenFile& file, const RunSettings& settings);

/// Bound on the error of a program that rounds at unit `eps`: roundings along the longest path are
/// taken as independent, so their effect grows with the square root of their number: eps *
/// sqrt(cells on the path * sums per cell * longest sum * steps) * 8, where 8 allows for the
/// conditioning of softmax, norms and (in training) Adam's division by a small root.
double error_bound(const GoldenFile& file, double eps);

}  // namespace lckv::golden
