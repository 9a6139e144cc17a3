#include "lckv/train/owned_shards.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/model/parameter_set.h"
#include "lckv/tensor/buffer.h"
#include "lckv/test_support/random_layout.h"

// What the ranks of a grid save covers every tensor once, whatever the grid; and each box is at the
// place where its elements are.

namespace lckv::train {
namespace {

using checkpoint::Shard;

constexpr double kPadding = -1;

/// A model of random shape whose heads and MLP `tp` divides; vocabularies that need padding.
config::ModelConfig random_model(uint64_t number, int tp) {
  const CounterRng rng(11, number);
  const auto pick = [&](uint64_t index, std::vector<int64_t> from) {
    return from[static_cast<size_t>(rng.below(index, from.size()))];
  };
  const test::RandomLayout layout = test::random_layout(11, number, 4, 1, 2);
  config::ModelConfig config;
  config.layer_types = layout.layer_types;
  config.num_hidden_layers = layout.layers;
  config.hidden_size = pick(0, {3, 5, 7, 8});
  config.intermediate_size = 12 * pick(1, {1, 2});
  config.num_attention_heads = 12;
  std::vector<int64_t> heads = {1, 2, 3, 4, 6, 12};
  std::erase_if(heads, [&](int64_t n) { return n % tp != 0 && tp % n != 0; });
  config.num_key_value_heads = pick(2, heads);
  config.head_dim = pick(3, {2, 4});
  config.vocab_size = pick(4, {3, 5, 11, 37, 64});
  config.tie_word_embeddings = pick(5, {0, 1}) == 1;
  config.sliding_window = 2;
  return config;
}

/// One rank's owned parts; each element holds its index in the whole tensor, padding kPadding.
class RankMemory {
 public:
  RankMemory(const config::ModelConfig& config, const model::ParameterShare& share, int dp_rank)
      : table_(model::make_parameter_table(config, share)) {
    for (size_t b = 0; b < table_.buckets.size(); ++b) {
      const Buffer bucket(DType::kF64, {table_.buckets[b].elems});
      const auto values = bucket.view();
      std::fill_n(values.data<double>(), values.numel(), kPadding);
      for (const model::Parameter& parameter : table_.parameters) {
        if (table_.storage_of(parameter).bucket != static_cast<int>(b)) continue;
        number(parameter, model::cut_parameter(values, table_, parameter));
      }
      const View owned = model::owned_part(values, table_, dp_rank);
      Buffer& part = memory_.emplace_back(DType::kF64, owned.shape());
      std::copy_n(owned.data<double>(), owned.numel(), part.view().data<double>());
      parts_.push_back(part.view());
    }
  }

  const model::ParameterTable& table() const { return table_; }
  const std::vector<View>& parts() const { return parts_; }
  /// Elements that are no padding.
  int64_t real_elems() const {
    int64_t count = 0;
    for (const View& part : parts_) {
      const auto* values = part.data<double>();
      count += part.numel() - std::count(values, values + part.numel(), kPadding);
    }
    return count;
  }

 private:
  static void number(const model::Parameter& parameter, const View& local) {
    const int64_t columns = local.rank() == 2 ? local.dim(1) : 1;
    const int64_t whole_columns = local.rank() == 2 ? parameter.shape[1] : 1;
    for (int64_t i = 0; i < local.numel(); ++i) {
      int64_t row = i / columns, column = i % columns;
      if ((parameter.axis == 0 ? row : column) >= parameter.extent) continue;  // padding
      (parameter.axis == 0 ? row : column) += parameter.begin;
      local.data<double>()[i] = static_cast<double>(row * whole_columns + column);
    }
  }

  model::ParameterTable table_;
  std::vector<Buffer> memory_;
  std::vector<View> parts_;
};

/// How often each element of each tensor was handed over.
using Counts = std::map<std::string, std::vector<int>>;

/// Counts the elements of a shard; "" when they are those of its place.
std::string count(const Shard& shard, Counts& counts) {
  if (!shard.slice.fits(shard.global_shape)) return "outside of " + shard.name;
  std::vector<int>& elements = counts[shard.name];
  elements.resize(static_cast<size_t>(shard.global_shape.numel()));
  const int64_t columns = shard.global_shape.rank() == 2 ? shard.global_shape[1] : 1;
  const Shape shape = shard.slice.shape();
  const int64_t own_columns = shape.rank() == 2 ? shape[1] : 1;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    const int64_t row = shard.slice.begin[0] + i / own_columns;
    const int64_t column = (shape.rank() == 2 ? shard.slice.begin[1] : 0) + i % own_columns;
    const int64_t index = row * columns + column;
    if (shard.view.data<double>()[i] != static_cast<double>(index)) {
      return format("{}{}: element {} holds {}", shard.name, to_string(shard.slice), index,
                    shard.view.data<double>()[i]);
    }
    ++elements[static_cast<size_t>(index)];
  }
  return "";
}

/// At most three boxes of each tensor.
std::string require_few_boxes(const std::vector<Shard>& shards) {
  std::map<std::string, int> boxes;
  for (const Shard& shard : shards) {
    if (++boxes[shard.name] > 3) return "more than three boxes of " + shard.name;
  }
  return "";
}

/// What one rank hands over.
using Hand = std::function<std::vector<Shard>(const RankMemory& memory, int dp_rank)>;

std::vector<Shard> as_product(const RankMemory& memory, int dp_rank) {
  return owned_shards(memory.table(), dp_rank, "weight", memory.parts(), Copies::kFirst);
}

/// What is wrong with what all ranks of a grid save; "" when nothing is.
std::string saving_fault(const config::ModelConfig& config, int dp, int tp,
                         const Hand& hand = as_product) {
  Counts counts;
  for (int rank = 0; rank < dp * tp; ++rank) {
    const RankMemory memory(config, {tp, rank % tp, dp}, rank / tp);
    const std::vector<Shard> shards = hand(memory, rank / tp);
    if (const std::string many = require_few_boxes(shards); !many.empty()) return many;
    for (const Shard& shard : shards) {
      if (const std::string wrong = count(shard, counts); !wrong.empty()) return wrong;
    }
  }
  for (const model::Parameter& parameter : model::make_parameter_table(config).parameters) {
    const std::vector<int>& elements = counts["weight/" + parameter.name];
    if (static_cast<int64_t>(elements.size()) != parameter.shape.numel()) {
      return "nobody saves " + parameter.name;
    }
    for (const int times : elements) {
      if (times != 1) return format("{}: an element is saved {} times", parameter.name, times);
    }
  }
  return "";
}

/// Calls visit(config, dp, tp, where) for random models on random grids.
template <class Visit>
void for_random_grids(const Visit& visit) {
  for (uint64_t number = 0; number < 60; ++number) {
    for (int tp = 1; tp <= 4; ++tp) {
      const int dp = 1 + static_cast<int>((number + static_cast<uint64_t>(tp)) % 5);
      const config::ModelConfig config = random_model(number, tp);
      visit(config, dp, tp,
            format("model {} ({}), V = {}, dp {} x tp {}", number, config.layer_types,
                   config.vocab_size, dp, tp));
    }
  }
}

TEST(OwnedShards, OfAllRanksCoverEveryElementOnceAndNoPadding) {
  for_random_grids([](const config::ModelConfig& config, int dp, int tp, const std::string& where) {
    EXPECT_EQ(saving_fault(config, dp, tp), "") << where;
  });
}

TEST(OwnedShards, ForLoadingAreEverythingThatARankOwns) {
  for_random_grids([](const config::ModelConfig& config, int dp, int tp, const std::string& where) {
    for (int rank = 0; rank < dp * tp; ++rank) {
      const RankMemory memory(config, {tp, rank % tp, dp}, rank / tp);
      Counts counts;
      int64_t elems = 0;
      for (const Shard& shard :
           owned_shards(memory.table(), rank / tp, "weight", memory.parts(), Copies::kAll)) {
        EXPECT_EQ(count(shard, counts), "") << where;
        elems += shard.view.numel();
      }
      EXPECT_EQ(elems, memory.real_elems()) << where << ", rank " << rank;
      for (const auto& [name, elements] : counts) {
        EXPECT_LE(*std::max_element(elements.begin(), elements.end()), 1) << where << name;
      }
    }
  });
}

/// Each in a way that hurts on every grid of several ranks.
TEST(OwnedShards, AWrongDivisionIsSeen) {
  const config::ModelConfig config = random_model(3, 4);
  const Hand forgotten = [](const RankMemory& memory, int dp_rank) {
    auto shards = as_product(memory, dp_rank);
    shards.pop_back();
    return shards;
  };
  const Hand shifted = [](const RankMemory& memory, int dp_rank) {
    auto shards = as_product(memory, dp_rank);
    auto& slice = shards.back().slice;
    const int by = slice.begin[0] > 0 ? -1 : 1;
    slice.begin[0] += by;
    slice.end[0] += by;
    return shards;
  };
  const Hand every_copy = [](const RankMemory& memory, int dp_rank) {
    return owned_shards(memory.table(), dp_rank, "weight", memory.parts(), Copies::kAll);
  };
  const Hand of_another_rank = [](const RankMemory& memory, int dp_rank) {
    return as_product(memory, 1 - dp_rank);
  };
  for (const Hand& wrong : {forgotten, shifted, every_copy, of_another_rank}) {
    EXPECT_NE(saving_fault(config, 2, 4, wrong), "");
  }
  EXPECT_EQ(saving_fault(config, 2, 4), "");
}

}  // namespace
}  // namespace lckv::train
