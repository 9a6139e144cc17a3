#pragma once

#include <string>
#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/model/parameters.h"

namespace lckv::train {

/// Which ranks hand over what several of them hold alike (norm gains, shared key/value heads).
enum class Copies {
  kFirst,  // the first of them: for saving
  kAll     // each its own: for loading
};

/// What a rank owns of one kind of tensor under ZeRO-1, as boxes of the model's whole tensors:
/// of each parameter at most three, none of its padding. The views lie in `parts`.
///
///   kind    "weight", "adam_m", ...: in front of the parameter's name
///   parts   the owned part of every bucket of `table`, flat (model::owned_part)
std::vector<checkpoint::Shard> owned_shards(const model::ParameterTable& table, int dp_rank,
                                            const std::string& kind, const std::vector<View>& parts,
                                            Copies copies);

}  // namespace lckv::train
