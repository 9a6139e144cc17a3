#include "lckv/model/dims.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::model {

Dims make_dims(const config::ModelConfig& config, int64_t B, int64_t T) {
  Dims dims;
  dims.B = B;
  dims.T = T;
  dims.V = config.vocab_size;
  dims.L = config.num_hidden_layers;
  dims.C = config.hidden_size;
  dims.F = config.intermediate_size;
  dims.Hq = config.num_attention_heads;
  dims.Hkv = config.num_key_value_heads > 0 ? config.num_key_value_heads : dims.Hq;
  dims.D = config.head_dim > 0 ? config.head_dim : dims.C / dims.Hq;
  return dims;
}

void require_divisible(const Dims& d) {
  LCKV_CHECK(d.tp >= 1 && d.Hq % d.tp == 0 && d.F % d.tp == 0 &&
                 (d.Hkv % d.tp == 0 || d.tp % d.Hkv == 0) &&
                 (!d.sequence_parallel || d.N() % d.tp == 0),
             format("{} ranks share {} query heads, {} key/value heads, MLP width {}, {} rows",
                    d.tp, d.Hq, d.Hkv, d.F, d.N()));
}

}  // namespace lckv::model
