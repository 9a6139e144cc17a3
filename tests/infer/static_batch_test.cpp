#include "lckv/infer/static_batch.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "cached_network.h"

namespace lckv::infer {
namespace {

using Choice = StaticBatch::Choice;

/// A StaticBatch over the weights of a TestNetwork.
struct Batch {
  Batch(const config::ModelConfig& config, const StaticBatch::Options& options)
      : network(config, test::weights_only(config)) {
    Arena planned = Arena::planning();
    const StaticBatch shapes(planned, config, options);
    arena = std::make_unique<Arena>(Arena::allocate(planned));
    batch = std::make_unique<StaticBatch>(*arena, config, options);
    batch->prepare(stream);
  }
  /// The prompts [prompts, n], then greedy tokens: [steps + 1][sequences].
  std::vector<std::vector<int32_t>> generate(std::span<const int32_t> prompts, int64_t steps) {
    std::vector<std::vector<int32_t>> chosen;
    const auto keep = [&] { chosen.emplace_back(batch->chosen().begin(), batch->chosen().end()); };
    batch->encode(stream, network.weights(), prompts, Choice::kGreedy);
    batch->fork(stream);
    keep();
    for (int64_t i = 0; i < steps; ++i) {
      const std::vector<int32_t> last = chosen.back();
      batch->decode(stream, network.weights(), last, Choice::kGreedy);
      keep();
    }
    return chosen;
  }

  test::TestNetwork network;
  Stream stream;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<StaticBatch> batch;
};

StaticBatch::Options options_of(int64_t sequences, bool shares_prompt, int64_t prompt_rows = 100) {
  StaticBatch::Options options;
  options.dtype = DType::kF64;
  options.prefill = {.passes = 4};
  options.sequences = sequences;
  options.prompt_tokens = 7;
  options.new_tokens = 6;
  options.shares_prompt = shares_prompt;
  options.prompt_rows = prompt_rows;
  options.page_tokens = 4;
  return options;
}

std::vector<int32_t> prompts(const config::ModelConfig& config, int64_t count) {
  return test::RandomBatch(config, count, 7, 3).tokens;
}

int32_t likeliest(const std::vector<double>& logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

TEST(StaticBatch, ChoosesTheLikeliestTokenOfEverySequence) {
  for (const std::string layer_types : {"0_1_2", "0_3_3_3_4", "0s_3s_3s_3_4"}) {
    const auto config = test::small_config(layer_types);
    const auto tokens = prompts(config, 3);
    Batch ours(config, options_of(3, false));
    ours.batch->begin();
    const auto chosen = ours.generate(tokens, 5);
    for (size_t s = 0; s < 3; ++s) {
      test::CachedNetwork plain(config, test::cached_options(7, 1, 20), ours.network.weights());
      const int64_t sequence = plain.cache().add();
      auto next =
          likeliest(plain.extend(sequence, std::span(tokens).subspan(7 * s, 7), {4}).back());
      for (const auto& step : chosen) {
        EXPECT_EQ(step[s], next) << layer_types;
        next = likeliest(plain.extend(sequence, std::span(&next, 1), {1}).back());
      }
    }
  }
}

TEST(StaticBatch, GivesTheSameInSmallerForwardsAndFromASharedPrompt) {
  const auto config = test::small_config("0_3_3_3_4");
  const auto one = prompts(config, 1);
  std::vector<int32_t> three;
  for (int i = 0; i < 3; ++i) three.insert(three.end(), one.begin(), one.end());
  Batch whole(config, options_of(3, false)), split(config, options_of(3, false, /*rows=*/8)),
      shared(config, options_of(3, true));
  for (Batch* batch : {&whole, &split, &shared}) batch->batch->begin();
  const auto expected = whole.generate(three, 5);
  EXPECT_EQ(split.generate(three, 5), expected);
  EXPECT_EQ(shared.generate(one, 5), expected);
  EXPECT_EQ(split.batch->options().rows(), 7);
  EXPECT_EQ(whole.batch->options().rows(), 21);
}

TEST(StaticBatch, RewoundItDoesTheSameAgainAndItsPagesFit) {
  for (const bool shares_prompt : {false, true}) {
    const auto config = test::small_config("0_3_3_3_4");
    Batch ours(config, options_of(3, shares_prompt));
    ours.batch->begin();
    const auto tokens = prompts(config, shares_prompt ? 1 : 3);
    const auto first = ours.generate(tokens, 6);
    // 13 tokens: 4 pages each; of the shared prompt of 7 the first page is everybody's.
    const int64_t page_bytes = 4 * 2 * 8 * 8 * 3;
    EXPECT_EQ(ours.batch->cache().used_bytes(), page_bytes * (shares_prompt ? 4 + 3 + 3 : 12));
    EXPECT_EQ(ours.batch->cache().used_bytes(), ours.batch->cache().bytes());
    EXPECT_TRUE(ours.batch->rewind(0));
    EXPECT_EQ(ours.batch->cache().used_bytes(), 0);
    EXPECT_EQ(ours.generate(tokens, 6), first);
  }
}

TEST(StaticBatch, WithAWindowItOnlyGoesBackToTheBeginning) {
  const auto config = test::small_config("0s_1");
  Batch ours(config, options_of(2, false));
  ours.batch->begin();
  ours.generate(prompts(config, 2), 2);
  EXPECT_FALSE(ours.batch->rewind(7));
  EXPECT_TRUE(ours.batch->rewind(0));
}

}  // namespace
}  // namespace lckv::infer
