#include "lckv/model/dims.h"

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

}  // namespace lckv::model
