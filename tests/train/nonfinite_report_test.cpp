#include "lckv/train/nonfinite_report.h"

#include <cmath>
#include <limits>
#include <map>

#include <gtest/gtest.h>

#include "lckv/comm/communicators.h"
#include "lckv/test_support/test_network.h"
#include "lckv/train/parameter_slices.h"
#include "planted.h"

namespace lckv::train {
namespace {

using model::Parameter;
using model::ParameterTable;

/// A vocabulary that tp = 2 and 4 pad.
config::ModelConfig padded_config() {
  config::ModelConfig config = test::small_config("0_3_3_3_4");
  config.hidden_size = 8;
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.intermediate_size = 12;
  return config;
}

/// What one rank holds of F32 tensors, zero at first.
struct Held {
  Held(const ParameterTable& table, const comm::Grid& grid) {
    for (const model::Bucket& bucket : table.buckets) {
      memory.emplace_back(DType::kF32, Shape{bucket.elems});
      buckets.push_back(memory.back().view());
      owned.push_back(model::owned_part(buckets.back(), table, grid.dp_rank()));
    }
  }
  std::vector<Buffer> memory;
  std::vector<View> buckets, owned;
};

/// The indices in the whole tensor that a rank has, in the order in which it holds them.
std::vector<int64_t> whole_indices(const Parameter& parameter) {
  const checkpoint::Slice slice = slice_of(parameter);
  const bool is_vector = parameter.shape.rank() == 1;
  const int64_t columns = is_vector ? 1 : parameter.shape[1];
  std::vector<int64_t> indices;
  for (int64_t i = 0; i < parameter.shape.numel(); ++i) {
    const int64_t row = i / columns, column = i % columns;
    const bool row_here = slice.begin[0] <= row && row < slice.end[0];
    const bool here = is_vector || (slice.begin[1] <= column && column < slice.end[1]);
    if (row_here && here) indices.push_back(i);
  }
  return indices;
}

void for_each_place(const std::function<void(const comm::Grid&)>& look) {
  for (const int tp : {1, 2, 4}) {
    for (const int dp : {1, 2, 3}) {
      for (int rank = 0; rank < dp * tp; ++rank) look({.dp = dp, .tp = tp, .rank = rank});
    }
  }
}

ParameterTable table_of(const comm::Grid& grid) {
  return model::make_parameter_table(padded_config(), {grid.tp, grid.tp_rank(), grid.dp});
}

TEST(FindNonFinite, NamesEachElementByItsPlaceInTheWholeTensor) {
  const double nan = std::nan("");
  for_each_place([&](const comm::Grid& grid) {
    const ParameterTable table = table_of(grid);
    const Held held(table, grid);
    for (const Parameter& p : table.parameters) {
      const View bucket = held.buckets[static_cast<size_t>(table.storage_of(p).bucket)];
      const View local = model::cut_parameter(bucket, table, p);
      const std::vector<int64_t> whole = whole_indices(p);
      for (size_t i = 0; i < whole.size(); i += 7) {
        const test::Planted planted(local.reshape({local.numel()}), static_cast<int64_t>(i), nan);
        const auto found = find_nonfinite(table, grid, NonFiniteKind::kWeight, held.buckets);
        const NonFinite expected = {
            NonFiniteKind::kWeight, p.name, grid.rank, 1, 1, whole[i], "nan"};
        ASSERT_EQ(found, std::vector{expected}) << p.name << " on " << to_string(grid);
      }
    }
  });
}

TEST(FindNonFinite, EachElementIsInThePartOfOneOwnerAlone) {
  for_each_place([&](const comm::Grid& grid) {
    if (grid.dp_rank() != 0) return;
    std::map<std::string, int64_t> seen;  // elements, over the copies
    for (int copy = 0; copy < grid.dp; ++copy) {
      comm::Grid place = grid;
      place.rank = copy * grid.tp + grid.tp_rank();
      const ParameterTable table = table_of(place);
      const Held held(table, place);
      for (const View& part : held.owned) {
        std::fill_n(part.data<float>(), part.numel(), std::numeric_limits<float>::infinity());
      }
      for (const auto& one : find_nonfinite(table, place, NonFiniteKind::kMaster, held.owned)) {
        seen[one.parameter] += one.count;
        EXPECT_EQ(one.value, "inf");
      }
    }
    for (const Parameter& p : table_of(grid).parameters) {
      EXPECT_EQ(seen[p.name], static_cast<int64_t>(whole_indices(p).size()))
          << p.name << " on " << to_string(grid);
    }
  });
}

TEST(FindNonFinite, LeavesPaddingOut) {
  int64_t padding = 0;
  for_each_place([&](const comm::Grid& grid) {
    const ParameterTable table = table_of(grid);
    const Held held(table, grid);
    for (const View& bucket : held.buckets) {
      std::fill_n(bucket.data<float>(), bucket.numel(), std::nanf(""));
    }
    for (const Parameter& p : table.parameters) {
      const View bucket = held.buckets[static_cast<size_t>(table.storage_of(p).bucket)];
      const View local = model::cut_parameter(bucket, table, p);
      std::fill_n(local.data<float>(), whole_indices(p).size(), 0.0F);
      padding += local.numel() - static_cast<int64_t>(whole_indices(p).size());
    }
    EXPECT_TRUE(find_nonfinite(table, grid, NonFiniteKind::kGradient, held.buckets).empty());
  });
  EXPECT_GT(padding, 0);
}

NonFinite found(NonFiniteKind kind, const std::string& parameter, const std::string& value) {
  return {kind, parameter, 0, 1, 3, 17, value};
}

NonFiniteReport report_of(const std::vector<NonFinite>& found, bool is_source) {
  return gather_nonfinite(*comm::single_process().world,
                          model::make_parameter_table(padded_config()), found, is_source);
}

TEST(NonFiniteReport, ListsAFewOfEachKindInTheOrderOfBlameAndCountsTheRest) {
  std::vector<NonFinite> all = {{NonFiniteKind::kLoss, "", 0, 1, 1, 0, "nan"}};
  const ParameterTable table = model::make_parameter_table(padded_config());
  for (const NonFiniteKind kind : {NonFiniteKind::kGradient, NonFiniteKind::kMaster}) {
    for (const Parameter& p : table.parameters) all.push_back(found(kind, p.name, "inf"));
  }
  const NonFiniteReport report = report_of(all, true);
  const auto tensors = static_cast<int64_t>(table.parameters.size());
  EXPECT_EQ(report.tensors, (std::array<int64_t, 6>{0, tensors, 0, 0, tensors, 1}));
  std::vector<std::string> listed;
  for (const NonFinite& one : report.found) {
    listed.push_back(std::string(name(one.kind)) + " " + one.parameter);
  }
  EXPECT_EQ(
      listed,
      (std::vector<std::string>{
          "master model.embed_tokens.weight", "master model.layers.0.input_layernorm.weight",
          "master model.layers.0.self_attn.q_proj.weight", "gradient lm_head.weight",
          "gradient model.norm.weight", "gradient model.layers.4.mlp.down_proj.weight", "loss "}));
}

TEST(NonFiniteReport, IsALineThatNamesTensorElementAndRank) {
  const std::string down = "model.layers.1.mlp.down_proj.weight";
  NonFiniteReport report = report_of({found(NonFiniteKind::kWeight, down, "nan"),
                                      found(NonFiniteKind::kGradient, "lm_head.weight", "inf"),
                                      found(NonFiniteKind::kGradient, down, "nan"),
                                      {NonFiniteKind::kLoss, "", 0, 1, 1, 0, "nan"}},
                                     true);
  EXPECT_EQ(to_text(12, report),
            "step 12: not finite: weight model.layers.1.mlp.down_proj.weight (3 elements, the "
            "first nan at 17, rank 0); gradient in 2 tensors, backwards the first lm_head.weight "
            "(3 elements, the first inf at 17), from rank 0; loss nan on rank 0");
  report.found[0].rank = 2;
  report.found[0].ranks = 4;
  report.found[0].count = 1;
  report.tensors[0] = 5;
  report.sources = {3, 4, 5};
  EXPECT_EQ(to_text(12, report),
            "step 12: not finite: weight in 5 tensors, the first "
            "model.layers.1.mlp.down_proj.weight (1 element, the first nan at 17, rank 2 and 3 "
            "more); gradient in 2 tensors, backwards the first lm_head.weight (3 elements, the "
            "first inf at 17), from rank 3 and 2 more; loss nan on rank 0");
}

TEST(NonFiniteReport, SaysSoWhenNoRankOrNoElementIsToBlame) {
  EXPECT_EQ(
      to_text(7, report_of({found(NonFiniteKind::kGradient, "lm_head.weight", "-inf")}, false)),
      "step 7: not finite: gradient lm_head.weight (3 elements, the first -inf at 17), finite "
      "on every rank before the sum over copies");
  EXPECT_EQ(to_text(7, report_of({}, false)),
            "step 7: not finite: a sum overflowed, every element is finite");
}

}  // namespace
}  // namespace lckv::train
