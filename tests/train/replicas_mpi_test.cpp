#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grid_run.h"
#include "lckv/mpi_test/intercepted.h"

// What several ranks hold of one tensor stays equal, bit for bit, through the steps: nothing
// compares it again in training.

namespace lckv::test {
namespace {

/// Whether all ranks of the group hold these bits. Collective over it.
bool equal_in_group(Stream& stream, comm::Communicator& group, const View& own) {
  const View flat = own.reshape({own.numel()});
  const Buffer all(own.dtype(), {group.size() * own.numel()});
  group.all_gather(stream, all.view(), flat, "compare replicas");
  for (int r = 0; r < group.size(); ++r) {
    const View theirs = all.view().slice(0, r * own.numel(), (r + 1) * own.numel());
    if (!bit_equal(theirs, flat)) return false;
  }
  return true;
}

/// The parameters of these buckets that differ within the ranks that share them. Collective.
void look_at_buckets(Stream& stream, const train::Trainer& trainer, const std::string& kind,
                     const std::vector<View>& buckets, std::vector<std::string>& unequal) {
  const comm::Communicators& ranks = trainer.ranks();
  const model::ParameterTable& table = trainer.weights().table();
  const auto look = [&](comm::Communicator& group, const View& own, const std::string& name) {
    if (!equal_in_group(stream, group, own)) unequal.push_back(group.name() + " " + kind + name);
  };
  for (size_t b = 0; b < buckets.size(); ++b) look(*ranks.dp, buckets[b], table.buckets[b].name);
  for (const model::Parameter& p : table.parameters) {
    const View bucket = buckets[static_cast<size_t>(table.storage_of(p).bucket)];
    const View own = model::cut_parameter(bucket, table, p);
    if (p.sharding == model::Sharding::kReplicated) look(*ranks.tp, own, p.name);
    if (p.sharding == model::Sharding::kKeyValueHeadRows) look(*ranks.kv, own, p.name);
  }
}

/// Weights, masters and moments, each as a whole of its copy. Collective.
std::vector<std::string> unequal_replicas(Stream& stream, const train::Trainer& trainer) {
  std::vector<std::string> unequal;
  look_at_buckets(stream, trainer, "weight ", trainer.weights().buckets(), unequal);
  const auto look_at_owned = [&](const std::string& kind, const std::vector<View>& parts) {
    std::vector<Buffer> memory;
    std::vector<View> buckets;
    for (const View& part : parts) {
      memory.emplace_back(part.dtype(), Shape{trainer.ranks().grid.dp * part.numel()});
      buckets.push_back(memory.back().view());
      trainer.ranks().dp->all_gather(stream, buckets.back(), part, "compare replicas");
    }
    look_at_buckets(stream, trainer, kind, buckets, unequal);
  };
  look_at_owned("master ", trainer.owned_masters());
  look_at_owned("first moment ", trainer.optimizer().first_moments().parts());
  look_at_owned("second moment ", trainer.optimizer().second_moments().parts());
  return unequal;
}

/// One key/value head, which all ranks of a copy share.
config::ModelConfig shared_config() {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.num_key_value_heads = 1;
  return config;
}

std::vector<std::string> unequal_after_training(const comm::Communicators& ranks,
                                                const GridSettings& settings) {
  std::vector<std::string> unequal;
  train_on(ranks, shared_config(), settings, [&](Stream& stream, const train::Trainer& trainer) {
    unequal = unequal_replicas(stream, trainer);
  });
  return unequal;
}

TEST(Replicas, StayEqualBitForBit) {
  GridSettings settings;
  settings.steps = 5;
  for (int tp = 1; tp <= world().size(); tp *= 2) {
    const comm::Communicators ranks = join_grid(shared_config(), tp);
    for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
      for (const bool sequence : {false, true}) {
        if (sequence && tp == 1) continue;
        settings.dtype = dtype;
        settings.sequence_parallel = sequence;
        EXPECT_THAT(unequal_after_training(ranks, settings), testing::IsEmpty())
            << to_string(ranks.grid) << " in " << name(dtype) << ", sequence " << sequence;
      }
    }
  }
}

/// The parameter that differs first when the group drops this collective.
std::string first_unequal_without(std::unique_ptr<comm::Communicator> comm::Communicators::*group,
                                  const char* label, int tp) {
  comm::Communicators ranks = join_grid(shared_config(), tp);
  plant(ranks.*group, label, drop);
  GridSettings settings;
  settings.steps = 2;
  settings.sequence_parallel = tp > 1;
  const std::vector<std::string> unequal = unequal_after_training(ranks, settings);
  return unequal.empty() ? "" : unequal.front();
}

TEST(Replicas, DifferWithoutTheCollectiveThatKeepsThemEqual) {
  const int all = world().size();
  EXPECT_EQ(first_unequal_without(&comm::Communicators::dp, "dp weights", 1),
            "dp weight embedding");
  EXPECT_EQ(first_unequal_without(&comm::Communicators::tp, "tp norm gradient", all),
            "tp weight model.layers.0.input_layernorm.weight");
  EXPECT_EQ(first_unequal_without(&comm::Communicators::kv, "kv gradient", all),
            "kv weight model.layers.0.self_attn.k_proj.weight");
}

}  // namespace
}  // namespace lckv::test
