#include "lckv/train/state_snapshot.h"

#include <cmath>
#include <iterator>

#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/owned_shards.h"

namespace lckv::train {

namespace {

/// The kinds of tensor of a saved state.
struct Kinds {
  std::vector<View> weights, first_moments, second_moments;
};

Kinds kinds_of(const Trainer& trainer) {
  return {trainer.owned_masters(), trainer.optimizer().first_moments().parts(),
          trainer.optimizer().second_moments().parts()};
}

std::vector<checkpoint::Shard> all_shards(const model::ParameterTable& table, int dp_rank,
                                          const Kinds& kinds, Copies copies) {
  std::vector<checkpoint::Shard> all;
  const auto append = [&](const char* kind, const std::vector<View>& parts) {
    auto shards = owned_shards(table, dp_rank, kind, parts, copies);
    std::move(shards.begin(), shards.end(), std::back_inserter(all));
  };
  append("weight", kinds.weights);
  append("adam_m", kinds.first_moments);
  append("adam_v", kinds.second_moments);
  return all;
}

std::vector<checkpoint::Shard> shards_of(const Trainer& trainer, Copies copies) {
  return all_shards(trainer.weights().table(), trainer.ranks().grid.dp_rank(), kinds_of(trainer),
                    copies);
}

void copy_parts(Stream& stream, const std::vector<View>& to, const std::vector<View>& from) {
  for (size_t b = 0; b < to.size(); ++b) {
    if (from[b].device().kind == DeviceKind::kCpu) {
      ops::copy(stream, to[b], from[b]);  // on all threads
    } else {
      transfer(stream, to[b], from[b]);
    }
  }
}

}  // namespace

std::vector<checkpoint::Shard> shards_to_save(const Trainer& trainer) {
  return shards_of(trainer, Copies::kFirst);
}

std::vector<checkpoint::Shard> shards_to_load(Trainer& trainer) {
  return shards_of(trainer, Copies::kAll);
}

bool is_finite(Stream& stream, const Trainer& trainer) {
  const Buffer total(DType::kF64, {1}, stream.device());
  const Kinds kinds = kinds_of(trainer);
  for (const auto* parts : {&kinds.weights, &kinds.first_moments, &kinds.second_moments}) {
    for (const View& part : *parts) {
      ops::sum_of_squares(stream, total.view(), part, ops::GradMode::kAccumulate);
    }
  }
  return std::isfinite(to_host(stream, total.view()).view().data<double>()[0]);
}

StateSnapshot::StateSnapshot(Arena& arena, const Trainer& trainer)
    : table_(trainer.weights().table()),
      dp_rank_(trainer.ranks().grid.dp_rank()),
      weights_(table_, arena, "snapshot", accumulator(trainer.weights().dtype())),
      first_moments_(table_, arena, "snapshot", weights_.dtype()),
      second_moments_(table_, arena, "snapshot", weights_.dtype()) {}

void StateSnapshot::take(Stream& stream, const Trainer& trainer) {
  const Kinds kinds = kinds_of(trainer);
  copy_parts(stream, weights_.parts(), kinds.weights);
  copy_parts(stream, first_moments_.parts(), kinds.first_moments);
  copy_parts(stream, second_moments_.parts(), kinds.second_moments);
  stream.synchronize();
}

std::vector<checkpoint::Shard> StateSnapshot::shards() const {
  return all_shards(table_, dp_rank_,
                    {weights_.parts(), first_moments_.parts(), second_moments_.parts()},
                    Copies::kFirst);
}

}  // namespace lckv::train
