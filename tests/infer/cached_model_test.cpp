#include "lckv/infer/cached_model.h"

#include <gtest/gtest.h>

#include "cached_network.h"

namespace lckv::infer {
namespace {

// A decade above what double rounds in these few layers: any mistake of the method is 1e-3 or more.
constexpr double kRounding = 1e-11;

const std::vector<std::string>& layouts() {
  static const std::vector<std::string> list = {
      "0_1_2_3",     "0_3_3_3_4",     "4_4_4_4_4",      "0_2_2_3_4",   "1_1_3_3",
      "0_0_2_2",     "0s_1s_2_2",     "0_2_2_4_4_5",    "2_2_4_3_4_5", "1_2s_0_3",
      "0s_0",        "0s_3s_3s_3_4",  "0s_3s_3s_3s_4s", "0_3s_3_3s_4", "1s_1s_1s",
      "0_1_2_2_2_2", "3_3s_3_3_3s_3s"};
  return list;
}

std::vector<int32_t> some_tokens(const config::ModelConfig& config, int64_t count, uint64_t seed) {
  return test::RandomBatch(config, 1, count, seed).tokens;
}

struct Case {
  explicit Case(const std::string& layer_types, int m = 2, int b = 2, bool nodiag = false)
      : config(configured(layer_types, m, b, nodiag)),
        network(config, test::weights_only(config)),
        naive(test::naive_model(config)) {}

  static config::ModelConfig configured(const std::string& layer_types, int m, int b, bool nodiag) {
    config::ModelConfig config = test::small_config(layer_types, m, b);
    config.force_nodiag = nodiag;
    return config;
  }
  test::CachedNetwork cached(const CachedModel::Options& options) {
    return {config, options, network.weights()};
  }

  config::ModelConfig config;
  test::TestNetwork network;
  test::NaiveModel naive;
};

TEST(CachedModel, DecodesTokenByTokenAsTheProseSays) {
  for (const std::string& layer_types : layouts()) {
    for (const bool nodiag : {false, true}) {
      Case c(layer_types, 2, 2, nodiag);
      const auto tokens = some_tokens(c.config, 13, 1);
      auto cached = c.cached(test::cached_options(1, 1, 13));
      const auto ours = cached.decode(cached.cache().add(), tokens);
      EXPECT_LT(test::row_distance(ours, c.naive.decode(c.network.naive_weights(), tokens)),
                kRounding)
          << layer_types << " nodiag " << nodiag;
    }
  }
}

TEST(CachedModel, HasTheRopeAndTheNormsOfItsConfiguration) {
  config::ModelConfig config = test::small_config("0_3_3_3_4");
  config.rope_theta = 500000;
  config.rms_norm_eps = 1e-3;
  test::TestNetwork network(config, test::weights_only(config));
  const auto tokens = some_tokens(config, 13, 1);
  test::CachedNetwork cached(config, test::cached_options(1, 1, 13), network.weights());
  const auto ours = cached.decode(cached.cache().add(), tokens);
  const auto distance_to = [&](const config::ModelConfig& other) {
    const auto naive = test::naive_model(other).decode(network.naive_weights(), tokens);
    return test::row_distance(ours, naive);
  };
  EXPECT_LT(distance_to(config), kRounding);
  // The bound tells them from their defaults.
  config::ModelConfig other = config;
  other.rope_theta = config::ModelConfig().rope_theta;
  EXPECT_GT(distance_to(other), 1e6 * kRounding);
  other = config;
  other.rms_norm_eps = config::ModelConfig().rms_norm_eps;
  EXPECT_GT(distance_to(other), 1e6 * kRounding);
}

TEST(CachedModel, PrefillIsTheParallelForwardOfAsManyPasses) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types, 2, 2);
    const auto tokens = some_tokens(c.config, 13, 2);
    auto cached = c.cached(test::cached_options(13, 1, 13));
    const auto ours = cached.extend(cached.cache().add(), tokens, {4});
    EXPECT_LT(test::row_distance(ours, c.naive.logits(c.network.naive_weights(), tokens)),
              kRounding)
        << layer_types;
  }
}

TEST(CachedModel, PrefillWithAsManyPassesAsTokensIsDecoding) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto tokens = some_tokens(c.config, 11, 3);
    auto cached = c.cached(test::cached_options(11, 1, 16));
    const int64_t sequence = cached.cache().add();
    auto ours = cached.extend(sequence, std::span(tokens).first(8), {100});
    for (auto& row : cached.decode(sequence, std::span(tokens).subspan(8))) {
      ours.push_back(std::move(row));
    }
    EXPECT_LT(test::row_distance(ours, c.naive.decode(c.network.naive_weights(), tokens)),
              kRounding)
        << layer_types;
  }
}

TEST(CachedModel, SeveralTokensOnTopOfACacheAreDecodedWhenPassesSuffice) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto tokens = some_tokens(c.config, 14, 4);
    auto cached = c.cached(test::cached_options(6, 1, 16));
    const int64_t sequence = cached.cache().add();
    test::NaiveModel::Rows ours;
    for (size_t at = 0; at < tokens.size();) {
      const size_t count = std::min<size_t>(at == 0 ? 3 : 4, tokens.size() - at);
      for (auto& row : cached.extend(sequence, std::span(tokens).subspan(at, count), {4})) {
        ours.push_back(std::move(row));
      }
      at += count;
    }
    EXPECT_LT(test::row_distance(ours, c.naive.decode(c.network.naive_weights(), tokens)),
              kRounding)
        << layer_types;
  }
}

TEST(CachedModel, OutputsOfTheLastRowAloneAreThose) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto tokens = some_tokens(c.config, 9, 5);
    auto all = c.cached(test::cached_options(9, 2, 16));
    const auto whole = all.extend(all.cache().add(), tokens, {4});
    const auto last = all.append_and_forward({{all.cache().add(), tokens}},
                                             {static_cast<int32_t>(tokens.size()) - 1}, {4});
    EXPECT_LT(test::row_distance(last, {whole.back()}), kRounding) << layer_types;
  }
}

TEST(CachedModel, DroppedWorkChangesNoBit) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto tokens = some_tokens(c.config, 9, 6);
    auto options = test::cached_options(9, 1, 16);
    auto dropped = c.cached(options);
    options.drop_unread = options.reuse_queries = false;
    auto full = c.cached(options);
    const std::vector<int32_t> wanted = {3, 8};
    for (const auto passes : {4, 2}) {
      EXPECT_EQ(dropped.append_and_forward({{dropped.cache().add(), tokens}}, wanted, {passes}),
                full.append_and_forward({{full.cache().add(), tokens}}, wanted, {passes}))
          << layer_types;
      dropped.cache().remove(0);
      full.cache().remove(0);
    }
  }
}

TEST(CachedModel, SequencesOfABatchDoNotSeeEachOther) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto a = some_tokens(c.config, 7, 7), b = some_tokens(c.config, 11, 8);
    auto together = c.cached(test::cached_options(18, 2, 16));
    const int64_t first = together.cache().add(), second = together.cache().add();
    const auto both = together.append_and_forward({{first, a}, {second, b}}, {6, 17}, {100});
    const auto next = together.append_and_forward(
        {{second, std::span(b).first(1)}, {first, std::span(a).first(1)}}, {0, 1}, {1});
    auto single = c.cached(test::cached_options(18, 1, 16));
    for (const auto& [tokens, at, later] : {std::tuple(a, 0, 1), std::tuple(b, 1, 0)}) {
      const int64_t sequence = single.cache().add();
      EXPECT_LT(test::row_distance({single.extend(sequence, tokens, {100}).back()},
                                   {both[static_cast<size_t>(at)]}),
                kRounding)
          << layer_types;
      EXPECT_LT(test::row_distance(single.decode(sequence, std::span(tokens).first(1)),
                                   {next[static_cast<size_t>(later)]}),
                kRounding)
          << layer_types;
      single.cache().remove(sequence);
    }
  }
}

TEST(CachedModel, ASharedBeginningIsExactInIteratedPassesToo) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto whole_x = some_tokens(c.config, 11, 9), y = some_tokens(c.config, 3, 11);
    const auto prefix = std::span(whole_x).first(6), x = std::span(whole_x).subspan(6);
    std::vector<int32_t> whole_y(prefix.begin(), prefix.end());
    whole_y.insert(whole_y.end(), y.begin(), y.end());
    auto options = test::cached_options(14, 3, 16);
    options.cache.page_tokens = 1;
    options.cache.chunk_tokens = 11;
    for (const int64_t passes : {1, 3, 4}) {
      auto tree = c.cached(options);
      KvCache& cache = tree.cache();
      const int64_t trunk = cache.add();
      cache.append(trunk, 6);
      const int64_t left = cache.share(trunk, 6), right = cache.share(trunk, 6);
      cache.append(left, 5);
      cache.append(right, 3);
      // Rows of one call may stand in any order.
      const auto ours = tree.forward({{left, x}, {trunk, prefix}, {right, y}}, {4, 13}, {passes});
      auto single = c.cached(options);
      const auto alone_x = single.extend(single.cache().add(), whole_x, {passes});
      single.cache().remove(0);
      const auto alone_y = single.extend(single.cache().add(), whole_y, {passes});
      EXPECT_LT(test::row_distance(ours, {alone_x.back(), alone_y.back()}), kRounding)
          << layer_types << " passes " << passes;
    }
  }
}

TEST(CachedModel, AForkGoesOnAsItsOrigin) {
  for (const std::string& layer_types : layouts()) {
    Case c(layer_types);
    const auto tokens = some_tokens(c.config, 12, 12);
    auto cached = c.cached(test::cached_options(6, 2, 16));
    const int64_t origin = cached.cache().add();
    cached.extend(origin, std::span(tokens).first(6), {100});
    const int64_t fork = cached.cache().fork(cached.stream(), origin);
    const auto other = some_tokens(c.config, 6, 13);
    cached.decode(fork, other);  // must leave the origin alone
    cached.cache().remove(fork);
    const int64_t second = cached.cache().fork(cached.stream(), origin);
    const auto a = cached.decode(origin, std::span(tokens).subspan(6));
    const auto b = cached.decode(second, std::span(tokens).subspan(6));
    EXPECT_EQ(a, b) << layer_types;
    const auto naive = c.naive.decode(c.network.naive_weights(), tokens);
    EXPECT_LT(test::row_distance(a, {naive.begin() + 6, naive.end()}), kRounding) << layer_types;
  }
}

TEST(CachedModel, StreamsWithSinksAsTheProseSays) {
  for (const std::string layer_types : {"0_1_2", "0_3_3_3_4", "2_2_2", "0_2_2_3_4", "0_0_2_2"}) {
    for (const auto& [sinks, window] : {std::pair(2, 6), std::pair(0, 4), std::pair(1, 2)}) {
      for (const bool nodiag : {false, true}) {
        Case c(layer_types, 2, 2, nodiag);
        const auto tokens = some_tokens(c.config, 17, 14);
        auto options = test::cached_options(1, 1, 17);
        options.cache.streaming = {sinks, window};
        options.cache.page_tokens = 2;
        auto cached = c.cached(options);
        EXPECT_LT(test::row_distance(
                      cached.decode(cached.cache().add(), tokens),
                      c.naive.decode_streaming(c.network.naive_weights(), tokens, sinks, window)),
                  kRounding)
            << layer_types << " " << sinks << " of " << window;
      }
    }
  }
}

TEST(CachedModel, StreamsSeveralTokensAtOnceOverSinks) {
  for (const std::string layer_types : {"0_1_2", "0_0_2_2"}) {  // nothing is iterated: exact
    Case c(layer_types);
    const auto tokens = some_tokens(c.config, 21, 14);
    auto options = test::cached_options(7, 1, 21);
    options.cache.streaming = {2, 6};
    options.cache.page_tokens = 2;
    auto cached = c.cached(options);
    const int64_t sequence = cached.cache().add();
    test::NaiveModel::Rows ours;
    for (size_t at = 0; at < tokens.size(); at += 7) {
      for (auto& row : cached.extend(sequence, std::span(tokens).subspan(at, 7), {1})) {
        ours.push_back(std::move(row));
      }
    }
    EXPECT_LT(
        test::row_distance(ours, c.naive.decode_streaming(c.network.naive_weights(), tokens, 2, 6)),
        kRounding)
        << layer_types;
  }
}

TEST(CachedModel, AStreamNoLongerThanItsWindowIsPlainDecoding) {
  Case c("0_3_3_3_4");
  const auto tokens = some_tokens(c.config, 9, 15);
  auto options = test::cached_options(9, 1, 9);
  options.cache.streaming = {2, 9};
  auto cached = c.cached(options);
  EXPECT_LT(test::row_distance(cached.extend(cached.cache().add(), tokens, {100}),
                               c.naive.decode(c.network.naive_weights(), tokens)),
            kRounding);
}

TEST(CachedModel, StopsAtTheFixedPoint) {
  Case c("0_5_5_5_5_5_6");
  const auto tokens = some_tokens(c.config, 60, 16);
  auto options = test::cached_options(60, 1, 60);
  options.converges = true;
  auto cached = c.cached(options);
  const auto ours = cached.extend(cached.cache().add(), tokens, {1000, 1e-14});
  EXPECT_LT(test::row_distance(ours, c.naive.decode(c.network.naive_weights(), tokens)), 1e-10);
  const PassReport report = cached.model().report();
  EXPECT_LT(report.passes, 60);
  // Of passes 2, 3, ..; the last pass gives the output of what the one before has found converged.
  const std::vector<double> changes = report.changes();
  ASSERT_EQ(std::ssize(changes), report.passes - 1);
  EXPECT_LE(changes[changes.size() - 2], 1e-14);
  EXPECT_GT(changes[changes.size() - 3], 1e-14);
  // With a loose bound it stops early, and says how far it was.
  cached.cache().remove(0);
  const auto rough = cached.extend(cached.cache().add(), tokens, {1000, 1e-2});
  EXPECT_LT(cached.model().report().passes, report.passes);
  EXPECT_GT(test::row_distance(rough, ours), 1e-6);
}

TEST(CachedModel, AMaskThatIsOffByOneShows) {
  // The law of decoding can fail: a model whose layers are not strict differs.
  Case strict("0_3_3_3_4", 2, 2, true), ordinary("0_3_3_3_4", 2, 2, false);
  const auto tokens = some_tokens(strict.config, 9, 17);
  auto cached = ordinary.cached(test::cached_options(9, 1, 9));
  EXPECT_GT(test::row_distance(cached.extend(cached.cache().add(), tokens, {100}),
                               strict.naive.decode(strict.network.naive_weights(), tokens)),
            1e-3);
}

}  // namespace
}  // namespace lckv::infer
