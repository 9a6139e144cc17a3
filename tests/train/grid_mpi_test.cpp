#include <cstdio>

#include <gtest/gtest.h>

#include "grid_run.h"
#include "lckv/mpi_test/intercepted.h"

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

/// The tensor extents of this program's grids; of eight ranks those that fewer ranks cannot have.
std::vector<int> tensor_extents() {
  std::vector<int> extents;
  for (int tp = world().size() == 8 ? 4 : 1; tp <= world().size(); tp *= 2) extents.push_back(tp);
  return extents;
}

/// The same run as one process does it at once.
GridSettings undivided(GridSettings settings) {
  settings.micro_batches = 1;
  settings.sequence_parallel = false;
  settings.recompute = config::Recompute::kNone;
  return settings;
}

/// By how much a training on a grid may differ from one process. In double: 1e-9. In other types
/// the sensitivity of this very training is measured: by how much it moves, in double, when each
/// weight moves by one rounding of the type. The roundings of all sums (norms, projections, scores,
/// softmax, values, MLP; forward and backward) of all cells and steps are as many independent such
/// moves, which add up as their root.
///
/// For bf16 that sum is larger than the values themselves; there the loss of one process against
/// double is measured, and a grid may lose three times as much (an allowance, not derived: the
/// worst element of two roundings of one size).
GridErrors allowed_errors(const config::ModelConfig& config, GridSettings settings,
                          const Training& exact) {
  if (settings.dtype == DType::kF64) return {1e-9, 1e-9, 1e-9, 1e-9, "", ""};
  settings = undivided(settings);
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
    GridSettings alone = undivided(settings);
    alone.dtype = DType::kF64;
    exact = train_on(comm::single_process(), config, alone);
    allowed = allowed_errors(config, settings, exact);
    EXPECT_FALSE(exact.first_gradients.empty());
  }
  for (const int tp : tensor_extents()) {
    if (settings.sequence_parallel && tp == 1) continue;
    const comm::Communicators ranks = join_grid(config, tp);
    // Eight copies have one sequence each: nothing to split.
    if (kGridSequences / ranks.grid.dp < settings.micro_batches) continue;
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

/// What gradients summed in bf16 would be.
void round_to_bf16(const comm::Communicator&, const comm::Collective& call,
                   const Intercepted::Proceed& proceed) {
  proceed();
  for (int64_t i = 0; i < call.own.numel(); ++i) {
    float& value = call.own.data<float>()[i];
    value = static_cast<float>(static_cast<BFloat16>(value));
  }
}

/// Row by row copies compute the bits of as many micro-batches of their size on one copy. Only the
/// sums of gradients over all rows run in another order, in fp32: each adds a rounding, twice as
/// many independent ones add up as their root.
TEST(Grid, OfBf16CopiesDiffersFromMicroBatchesInTheOrderOfSumsOnly) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  const double allowed =
      std::sqrt(2.0 * kGridSequences * kGridT) * unit_roundoff(accumulator(DType::kBF16));
  for (const int tp : tensor_extents()) {
    if (tp == world().size()) continue;  // one copy
    for (const bool sequence : {false, true}) {
      if (sequence && tp == 1) continue;
      comm::Communicators ranks = join_grid(config, tp);
      GridSettings settings;
      settings.dtype = DType::kBF16;
      settings.sequence_parallel = sequence;
      settings.steps = 1;
      const Training copies = train_on(ranks, config, settings);
      plant(ranks.dp, "dp gradients", round_to_bf16);
      const Training rounded = train_on(ranks, config, settings);
      settings.micro_batches = ranks.grid.dp;
      const Training one = train_on(join_one_copy(config, tp), config, settings);
      if (world().rank() != 0) continue;
      const GridErrors errors = compare(copies, one);
      const std::string where = to_string(ranks.grid) + (sequence ? ", sequence" : "");
      std::printf("bf16 copies, %-35s loss %.1e  gradients %.1e/%.1e\n", where.c_str(), errors.loss,
                  errors.gradients, allowed);
      EXPECT_LE(errors.loss, 1e-12) << where;
      EXPECT_LE(errors.gradients, allowed) << where << ": " << errors.worst_gradient;
      EXPECT_LE(worst_error(copies.norms, one.norms), allowed) << where;
      EXPECT_GT(compare(rounded, one).gradients, allowed) << where;
    }
  }
}

TEST(Grid, WithMicroBatchesTrainsAsOnOneLargeBatch) {
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

TEST(Grid, RecomputesWhatItWouldStoreBitForBit) {
  const config::ModelConfig config = grid_config("0_3_3_3_4");
  GridSettings settings;
  settings.steps = 3;
  for (const int tp : tensor_extents()) {
    const comm::Communicators ranks = join_grid(config, tp);
    for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
      for (const bool sequence : {false, true}) {
        if (sequence && tp == 1) continue;
        settings.dtype = dtype;
        settings.sequence_parallel = sequence;
        settings.recompute = config::Recompute::kNone;
        const Training stored = train_on(ranks, config, settings);
        for (const auto level : {config::Recompute::kCheap, config::Recompute::kBlock}) {
          settings.recompute = level;
          const Training recomputed = train_on(ranks, config, settings);
          EXPECT_EQ(recomputed, stored)
              << to_string(ranks.grid) << " in " << name(dtype) << ", sequence " << sequence;
        }
      }
    }
  }
}

/// What interacts: row shares and shared heads within each micro-batch, a bucket that is final only
/// after the embedding's second use.
TEST(Grid, WithSequencesMicroBatchesOneKvHeadAndTiedEmbeddingsTrainsAsOneProcessDoes) {
  config::ModelConfig config = grid_config("0_3_3_3_4");
  config.num_key_value_heads = 1;
  config.tie_word_embeddings = true;
  GridSettings settings;
  settings.sequence_parallel = true;
  settings.micro_batches = 2;
  expect_equal_training(config, settings, "all together");
}

/// On every grid of two or more copies at least one of them counts nothing.
TEST(Grid, WithACopyWithoutScoredTargetsTrainsAsOneProcessDoes) {
  GridSettings settings;
  settings.unscored_sequences = kGridSequences / 2;
  for (const int64_t micro_batches : {1, 2}) {
    settings.micro_batches = micro_batches;
    expect_equal_training(grid_config("0_3_3_3_4"), settings, "a copy unscored");
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
