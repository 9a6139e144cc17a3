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

  int64_t tp = 1;                  // tensor-parallel ranks
  bool sequence_parallel = false;  // the norm regions hold N / tp rows on each of them

  int64_t N() const { return B * T; }      // rows
  int64_t Cq() const { return Hq * D; }    // width of all query heads
  int64_t Ckv() const { return Hkv * D; }  // width of all key heads, or of all value heads

  // One rank's part. Key/value heads are split when tp divides them; else each lives on
  // kv_sharers() neighbouring ranks.
  int64_t V_tp() const { return (V + tp - 1) / tp; }  // the last ranks' ends are padding
  int64_t V_begin(int64_t rank) const { return rank * V_tp() < V ? rank * V_tp() : V; }
  int64_t V_extent(int64_t rank) const { return V_begin(rank + 1) - V_begin(rank); }  // not padding
  int64_t F_tp() const { return F / tp; }
  int64_t Hq_tp() const { return Hq / tp; }
  int64_t Hkv_tp() const { return Hkv / tp > 0 ? Hkv / tp : 1; }
  int64_t Cq_tp() const { return Hq_tp() * D; }
  int64_t Ckv_tp() const { return Hkv_tp() * D; }
  int64_t kv_sharers() const { return tp * Hkv_tp() / Hkv; }
  int64_t N_tp() const { return sequence_parallel ? N() / tp : N(); }  // rows of the norm regions
};

/// Extents of a model run on B sequences of T tokens by one rank. The config has been validated.
Dims make_dims(const config::ModelConfig& config, int64_t B, int64_t T);

/// Throws InternalError when `tp` ranks cannot share the model: the configuration's own checks come
/// first.
void require_divisible(const Dims& dims);

}  // namespace lckv::model
