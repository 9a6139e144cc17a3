#include <cstdio>

#include <gtest/gtest.h>

#include "grid_run.h"
#include "lckv/mpi_test/world.h"

// A grid of ranks trains what one process trains: loss, every gradient, norms, weights after twenty
// updates. Rank 0 compares; the other ranks take part.

namespace lckv::test {
namespace {

struct Layout {
  const char* name;
  const char* layer_types;
  int m, b;
};

const Layout kLayouts[] = {
    {"Llama", "0_1_2_3", 2, 2},
    {"LCKV w=2", "0_3_3_3_4", 2, 2},
    {"LCKV w=2, one pass over no keys", "0_3_3_3_4", 0, 1},
    {"LCKV w=2, b=1", "0_3_3_3_4", 1, 1},
    {"LCKV w=0", "4_4_4_4_4", 2, 2},
    {"sandwich-middle", "0_3_3_3_3_5", 2, 2},
    {"lasagna-top", "1_1_3_3", 1, 2},
    {"two groups", "0_2_2_4_4_5", 2, 2},
    {"windows", "0s_3s_3s_3_4", 2, 2},
    {"CLA", "0_0_2_2", 2, 2},
};

/// All tensor extents that divide the ranks of this program.
std::vector<int> tensor_extents() {
  std::vector<int> extents;
  for (int tp = 1; tp <= world().size(); tp *= 2) extents.push_back(tp);
  return extents;
}

/// By how much a training on a grid may differ from one process. In double: 1e-9. In other types the
/// sensitivity of this very training is measured: by how much it moves, in double, when each weight
/// moves by one rounding of the type. The roundings of all sums (norms, projections, scores, softmax,
/// values, MLP; forward and backward) of all cells and steps are as many independent such moves, which
/// add up as their root.
///
/// For bf16 that sum is larger than the values themselves; there the loss of one process against double
/// is measured, and a grid may lose three times as much (an allowance, not derived: the worst element
/// of two roundings of one size).
GridErrors allowed_errors(const config::ModelConfig& config, GridSettings settings,
                          const Training& exact) {
  if (settings.dtype == DType::kF64) return {1e-9, 1e-9, 1e-9, 1e-9, "", ""};
  settings.micro_batches = 1;
  settings.sequence_parallel = false;
  if (settings.dtype == DType::kBF16) {
    GridErrors lost = compare(train_on(comm::single_process(), config, settings), exact);
    for (double* error : {&lost.loss, &lost.gradients, &lost.norms, &lost.weights}) *error *= 3;
    return lost;
  }
  constexpr double kSumsPerCell = 14;
  settings.perturbation = unit_roundoff(settings.dtype);
  settings.dtype = DType::kF64;
  GridErrors allowed = compare(train_on(comm::single_process(), config, settings), exact);
  const auto plan =
      model::build_plan(model::make_layer_specs(config), static_cast<int>(config.forward_passes),
                        static_cast<int>(config.backward_passes));
  const double roundings = static_cast<double>(plan.cells.size()) * kSumsPerCell;
  const double one_step = std::sqrt(roundings);
  const double all_steps = std::sqrt(roundings * static_cast<double>(settings.steps));
  allowed.loss *= one_step;
  allowed.gradients *= one_step;
  allowed.norms *= all_steps;
  allowed.weights *= all_steps;
  return allowed;
}

void expect_within(const GridErrors& errors, const GridErrors& allowed, const std::string& where) {
  std::printf("%-48s loss %.1e/%.1e  gradients %.1e/%.1e  norms %.1e/%.1e  weights %.1e/%.1e\n",
              where.c_str(), errors.loss, allowed.loss, errors.gradients, allowed.gradients,
              errors.norms, allowed.norms, errors.weights, allowed.weights);
  EXPECT_LE(errors.loss, allowed.loss) << where;
  EXPECT_LE(errors.gradients, allowed.gradients) << where << ": " << errors.worst_gradient;
  EXPECT_LE(errors.norms, allowed.norms) << where;
  EXPECT_LE(errors.weights, allowed.weights) << where << ": " << errors.worst_weight;
}

/// Every grid of the world against one process in double.
void expect_equal_training(const config::ModelConfig& config, const GridSettings& settings,
                           const std::string& what) {
  Training exact;
  GridErrors allowed;
  if (world().rank() == 0) {
    GridSettings alone;
    alone.documents = settings.documents;
    alone.steps = settings.steps;
    exact = train_on(comm::single_process(), config, alone);
    allowed = allowed_errors(config, settings, exact);
    EXPECT_FALSE(exact.first_gradients.empty());
  }
  for (const int tp : tensor_extents()) {
    if (settings.sequence_parallel && tp == 1) continue;
    const comm::Communicators ranks = grid_ranks(world(), config, tp);
    const Training actual = train_on(ranks, config, settings);
    if (world().rank() != 0) continue;
    expect_within(compare(actual, exact), allowed, what + ", " + to_string(ranks.grid));
  }
}

TEST(Grid, TrainsEveryLayoutAsOneProcessDoes) {
  for (const Layout& layout : kLayouts) {
    expect_equal_training(grid_config(layout.layer_types, layout.m, layout.b), {}, layout.name);
  }
}

TEST(Grid, WithSequenceParallelismTrainsTheSame) {
  GridSettings settings;
  settings.sequence_parallel = true;
  for (const Layout& layout : kLayouts) {
    expect_equal_training(grid_config(layout.layer_types, layout.m, layout.b), settings,
                          std::string("sequence, ") + layout.name);
  }
}

TEST(Grid, TrainsInSinglePrecisionWithinRounding) {
  GridSettings settings;
  settings.dtype = DType::kF32;
  for (const char* layer_types : {"0_1_2_3", "0_3_3_3_4", "4_4_4_4_4", "0s_3s_3s_3_4"}) {
    expect_equal_training(grid_config(layer_types), settings, std::string("fp32, ") + layer_types);
  }
}

TEST(Grid, TrainsInBf16WithinRounding) {
  GridSettings settings;
  settings.dtype = DType::kBF16;
  settings.steps = 3;
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.initializer_range = 0.1;  // of a calm model: updates do not multiply what bf16 loses
  expect_equal_training(config, settings, "bf16");
  settings.sequence_parallel = true;
  expect_equal_training(config, settings, "bf16, sequence");
}

TEST(Grid, WithMicroBatchesTrainsAsOnOneLargeBatch) {
  if (kGridSequences / world().size() < 2) GTEST_SKIP() << "each copy has one sequence";
  GridSettings settings;
  settings.micro_batches = 2;
  expect_equal_training(grid_config("0_3_3_3_4"), settings, "two micro-batches");
}

TEST(Grid, WithDocumentsTrainsAsOneProcessDoes) {
  GridSettings settings;
  settings.documents = true;
  expect_equal_training(grid_config("0_3_3_3_4"), settings, "documents");
  settings.sequence_parallel = true;
  expect_equal_training(grid_config("0_3_3_3_4"), settings, "documents, sequence");
}

TEST(Grid, WithTiedEmbeddingsTrainsAsOneProcessDoes) {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.tie_word_embeddings = true;
  expect_equal_training(config, {}, "tied");
}

TEST(Grid, WithRecomputationTrainsTheSame) {
  GridSettings settings;
  settings.steps = 3;
  for (const config::Recompute level : {config::Recompute::kCheap, config::Recompute::kBlock}) {
    for (const bool sequence : {false, true}) {
      settings.recompute = level;
      settings.sequence_parallel = sequence;
      expect_equal_training(grid_config("0_3_3_3_4"), settings, "recompute");
    }
  }
}

TEST(Grid, SplitsVocabulariesThatNoRankCountDivides) {
  for (const int64_t vocabulary : {3, 17, 127}) {  // 3: some of eight ranks hold padding alone
    config::ModelConfig config = grid_config("0_1");
    config.vocab_size = vocabulary;
    GridSettings settings;
    settings.steps = 3;
    expect_equal_training(config, settings, "V = " + std::to_string(vocabulary));
  }
}

TEST(Grid, OfMoreRanksThanKvHeadsSharesThem) {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  for (const int64_t heads : {1, 2}) {
    config.num_key_value_heads = heads;
    expect_equal_training(config, {}, std::to_string(heads) + " KV heads");
  }
}

}  // namespace
}  // namespace lckv::test
