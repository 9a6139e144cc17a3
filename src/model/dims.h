#pragma once

#include <cstdint>

#include "lckv/config/model.h"

namespace lckv::model {

/// The shape letters of the project, declared here once; used unchanged in code, comments, tests
/// and messages.
struct Dims {
  int64_t B = 0;    // sequences
  int64_t T = 0;    // tokens per sequence
  int64_t V = 0;    // vocabulary
  int64_t L = 0;    // layers
  int64_t C = 0;    // model width
  int64_t F = 0;    // MLP width
  int64_t Hq = 0;   // query heads
  int64_t Hkv = 0;  // key/value heads
  int64_t D = 0;    // head width

  int64_t N() const { return B * T; }      // rows
  int64_t Cq() const { return Hq * D; }    // width of all query heads
  int64_t Ckv() const { return Hkv * D; }  // width of all key heads, or of all value heads
};

/// Extents of a model run on B sequences of T tokens. The config has been validated.
Dims make_dims(const config::ModelConfig& config, int64_t B, int64_t T);

}  // namespace lckv::model
