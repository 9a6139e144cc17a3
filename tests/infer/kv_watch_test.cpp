#include "lckv/infer/kv_watch.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cached_network.h"

namespace lckv::infer {
namespace {

// A decade above what double rounds in these few layers.
constexpr double kRounding = 1e-11;

std::vector<int32_t> some_tokens(const config::ModelConfig& config, int64_t count, uint64_t seed) {
  return test::RandomBatch(config, 1, count, seed).tokens;
}

struct Case {
  explicit Case(const std::string& layer_types)
      : config(test::small_config(layer_types)), network(config, test::weights_only(config)) {}

  test::CachedNetwork cached(int64_t rows, int64_t sequences, const KvProbe& probe,
                             bool converges = false) {
    auto options = test::cached_options(rows, sequences, rows);
    options.probe = probe;
    options.converges = converges;
    return {config, options, network.weights()};
  }
  /// K,V of a layer after `passes` of `all`, by the model that is written from the prose.
  test::NaiveModel::KeyValues naive_kv(const std::vector<int32_t>& tokens, int layer, int passes,
                                       int all) {
    test::NaiveModel::Boundary after;
    test::naive_model(config, passes, all - passes)
        .logits_and_boundary(network.naive_weights(), tokens, {}, after);
    return after.at(layer);
  }

  config::ModelConfig config;
  test::TestNetwork network;
};

/// || now - before || / || now || over rows begin..end-1.
double relative_change(const test::NaiveModel::KeyValues& now,
                       const test::NaiveModel::KeyValues& before, size_t begin, size_t end) {
  double change = 0, size = 0;
  for (const auto half : {&test::NaiveModel::KeyValues::k, &test::NaiveModel::KeyValues::v}) {
    for (size_t t = begin; t < end; ++t) {
      for (size_t c = 0; c < (now.*half)[t].size(); ++c) {
        const double value = (now.*half)[t][c], difference = value - (before.*half)[t][c];
        change += difference * difference;
        size += value * value;
      }
    }
  }
  return std::sqrt(change / size);
}

constexpr int kPasses = 6;
constexpr size_t kTokens = 12;

/// Largest difference between the report of a forward and what the prose says of the passes
/// `shift` later than they should be.
double report_error(Case& c, const PassReport& report, const std::vector<int>& read_upward,
                    const std::vector<int32_t>& tokens, int shift = 0) {
  double error = 0;
  for (int pass = 2; pass + shift < kPasses; ++pass) {
    const auto at = static_cast<size_t>(pass - 2);
    std::vector<double> of_rows(kTokens, 0.0);
    for (size_t i = 0; i < read_upward.size(); ++i) {
      const auto now = c.naive_kv(tokens, read_upward[i], pass + shift, kPasses);
      const auto before = c.naive_kv(tokens, read_upward[i], pass + shift - 1, kPasses);
      error = std::max(error, std::fabs(report.layers[i].passes[at].relative() -
                                        relative_change(now, before, 0, kTokens)));
      for (size_t t = 0; t < kTokens; ++t) {
        of_rows[t] = std::max(of_rows[t], relative_change(now, before, t, t + 1));
      }
    }
    for (size_t t = 0; t < kTokens; ++t) {
      // Reported in single precision.
      error = std::max(error, std::fabs(double{report.rows[at][t]} - of_rows[t]) -
                                  of_rows[t] * test::unit_roundoff(DType::kF32));
    }
  }
  return error;
}

struct Layout {
  const char* layer_types;
  std::vector<int> read_upward;
};
const std::vector<Layout>& layouts() {
  static const std::vector<Layout> list = {{"0_3_3_3_4", {3}},    {"4_4_4_4_4", {4}},
                                           {"1_1_3_3", {1, 3}},   {"0_2_2_4_4_5", {2, 4}},
                                           {"2_2_4_3_4", {2, 4}}, {"0_3s_3_3s_4", {3}}};
  return list;
}

TEST(KvWatch, ReportsTheChangesThatTheProseHas) {
  for (const Layout& layout : layouts()) {
    Case c(layout.layer_types);
    const auto tokens = some_tokens(c.config, kTokens, 5);
    auto cached = c.cached(kTokens, 1, {.changes = true});
    cached.extend(cached.cache().add(), tokens, {kPasses});
    const PassReport& report = cached.model().report();
    ASSERT_EQ(report.layers.size(), layout.read_upward.size()) << layout.layer_types;
    EXPECT_EQ(report.passes, kPasses);
    EXPECT_LT(report_error(c, report, layout.read_upward, tokens), kRounding) << layout.layer_types;
    EXPECT_GT(report_error(c, report, layout.read_upward, tokens, /*shift=*/1), 1e-3)
        << "passes were not told apart: " << layout.layer_types;
  }
}

TEST(KvWatch, ReportsTheDistanceToTheLastPass) {
  for (const char* const layer_types : {"0_3_3_3_4", "4_4_4_4_4"}) {
    Case c(layer_types);
    const int layer = layer_types[0] == '0' ? 3 : 4;
    const auto tokens = some_tokens(c.config, kTokens, 6);
    const auto end = c.naive_kv(tokens, layer, kPasses, kPasses + 1);
    for (const int from : {1, 2, kPasses - 1, kPasses}) {
      auto cached = c.cached(kTokens, 1, {.changes = true, .distance_from = from});
      cached.extend(cached.cache().add(), tokens, {kPasses});
      const SquaredChange distance = cached.model().report().layers.front().distance;
      const auto kept = c.naive_kv(tokens, layer, from, kPasses + 1);
      EXPECT_NEAR(distance.relative(), relative_change(end, kept, 0, kTokens), kRounding);
      EXPECT_GT(distance.size, 0);
      if (from < kPasses - 1) {
        EXPECT_GT(std::fabs(distance.relative() -
                            relative_change(end, c.naive_kv(tokens, layer, from + 1, kPasses + 1),
                                            0, kTokens)),
                  1e-3);
      }
    }
  }
}

TEST(KvWatch, ForwardsThatEndSoonerAreAtNoDistance) {
  Case c("0_3_3_3_4");
  auto cached = c.cached(kTokens, 1, {.changes = true, .distance_from = 9}, /*converges=*/true);
  for (const int64_t length : {1, 3, 12}) {
    const int64_t sequence = cached.cache().add();
    cached.extend(sequence, some_tokens(c.config, length, 6), {1000, 1e-2});
    const PassReport& report = cached.model().report();
    EXPECT_LT(report.passes, 9);
    const LayerChanges& layer = report.layers.front();
    EXPECT_EQ(layer.distance.change, 0);
    EXPECT_EQ(layer.distance.size, layer.size);
    if (length == 1) {  // one pass, which is measured against nothing
      const auto kv = c.naive_kv(some_tokens(c.config, 1, 6), 3, 1, 2);
      double size = 0;
      for (const double x : kv.k[0]) size += x * x;
      for (const double x : kv.v[0]) size += x * x;
      EXPECT_TRUE(layer.passes.empty());
      EXPECT_NEAR(layer.size, size, kRounding);
    } else {
      EXPECT_EQ(layer.size, layer.passes.back().size);
    }
    cached.cache().remove(sequence);
  }
}

/// Many sequences of one forward, each an entry, and the passes that each takes alone.
class Entries : public testing::Test {
 protected:
  static constexpr int64_t kLength = 20;
  static constexpr double kEps = 1e-5;

  int64_t passes_alone(const std::vector<int32_t>& tokens) { return forward({tokens}).passes; }

  PassReport forward(const std::vector<std::vector<int32_t>>& all) {
    const auto rows = static_cast<int64_t>(all.size()) * kLength;
    auto cached = c_.cached(rows, std::ssize(all), {.changes = true}, /*converges=*/true);
    std::vector<NewTokens> entries;
    std::vector<int32_t> wanted(static_cast<size_t>(rows));
    std::iota(wanted.begin(), wanted.end(), 0);
    for (const auto& tokens : all) entries.push_back({cached.cache().add(), tokens});
    logits_ = cached.append_and_forward(entries, wanted, {1000, kEps});
    return cached.model().report();
  }

  Case c_{"0_5_5_5_5_5_6"};
  test::NaiveModel::Rows logits_;  // of the newest forward
};

TEST_F(Entries, ConvergeEachByItself) {
  std::vector<int32_t> slow, fast;
  int64_t slow_passes = 0, fast_passes = kLength;
  for (uint64_t seed = 0; seed < 16; ++seed) {
    const auto tokens = some_tokens(c_.config, kLength, seed);
    const int64_t passes = passes_alone(tokens);
    if (passes > slow_passes) slow = tokens, slow_passes = passes;
    if (passes < fast_passes) fast = tokens, fast_passes = passes;
  }
  ASSERT_GT(slow_passes, fast_passes);
  ASSERT_LT(slow_passes, kLength) << "ended by its length";
  forward({slow});
  const test::NaiveModel::Rows alone = logits_;
  std::vector<std::vector<int32_t>> all(48, fast);
  all.push_back(slow);
  const PassReport report = forward(all);
  EXPECT_EQ(report.passes, slow_passes);
  EXPECT_LT(test::row_distance({logits_.end() - kLength, logits_.end()}, alone), kRounding);
  // One norm over all rows would have ended it sooner: the rule of each entry was told apart. The
  // pass in which the slowest entry has converged is the last but one.
  const std::vector<double> changes = report.changes();
  EXPECT_LE(changes.at(static_cast<size_t>(slow_passes) - 4), kEps);
}

TEST_F(Entries, GetFromTheirNeighboursNothingButMorePasses) {
  int64_t most = 0;
  std::vector<std::vector<int32_t>> all;
  for (uint64_t seed = 40; seed < 52; ++seed) {
    all.push_back(some_tokens(c_.config, kLength, seed));
    const int64_t alone = passes_alone(all.back());
    const int64_t before = most;
    most = std::max(most, alone);
    const int64_t passes = forward(all).passes;
    EXPECT_EQ(passes, most);
    EXPECT_GE(passes, before);
  }
}

TEST_F(Entries, HaveNotConvergedUntilTheirOwnNormsSaySo) {
  const std::vector<std::vector<int32_t>> all = {some_tokens(c_.config, kLength, 1),
                                                 some_tokens(c_.config, kLength, 2)};
  const PassReport report = forward(all);
  // The last pass that was looked at is the one before the last that was run.
  const auto decided = static_cast<int>(report.passes) - 1;
  const auto worst = [&](int pass) {
    double largest = 0;
    for (const auto& tokens : all) {
      const auto now = c_.naive_kv(tokens, 5, pass, pass + 1);
      const auto before = c_.naive_kv(tokens, 5, pass - 1, pass + 1);
      largest = std::max(largest, relative_change(now, before, 0, kLength));
    }
    return largest;
  };
  EXPECT_LE(worst(decided), kEps);
  EXPECT_GT(worst(decided - 1), kEps);
}

TEST(KvWatch, TakesNoMemoryAndReportsNothingUnlessAsked) {
  Case c("0_3_3_3_4");
  const auto tokens = some_tokens(c.config, kTokens, 5);
  auto plain = c.cached(kTokens, 1, {});
  plain.extend(plain.cache().add(), tokens, {kPasses});
  EXPECT_TRUE(plain.model().report().layers.empty());
  EXPECT_TRUE(plain.model().report().rows.empty());
  const int64_t Ckv = 8, row_bytes = 8 * 2 * Ckv, squares = 2 * 8;
  const auto bytes = [&](const KvProbe& probe, bool converges) {
    return c.cached(kTokens, 1, probe, converges).arena().bytes() - plain.arena().bytes();
  };
  const auto rows = static_cast<int64_t>(kTokens);
  EXPECT_EQ(bytes({}, true), rows * (row_bytes + squares));
  EXPECT_EQ(bytes({.changes = true}, false), rows * (row_bytes + squares));
  EXPECT_EQ(bytes({.changes = true, .distance_from = 4}, false), rows * (2 * row_bytes + squares));
  // Nothing is read upward.
  Case llama("0_1_2");
  EXPECT_EQ(llama.cached(kTokens, 1, {.changes = true}).arena().bytes(),
            llama.cached(kTokens, 1, {}).arena().bytes());
}

TEST(SquaredChange, IsInfiniteWhenAnythingIsNotANumber) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ((SquaredChange{0, 0}.relative()), 0);
  EXPECT_EQ((SquaredChange{0, 4}.relative()), 0);
  EXPECT_EQ((SquaredChange{1, 4}.relative()), 0.5);
  EXPECT_EQ((SquaredChange{1, 0}.relative()), kInfinity);
  EXPECT_EQ((SquaredChange{std::nan(""), 1}.relative()), kInfinity);
  EXPECT_EQ((SquaredChange{0, std::nan("")}.relative()), kInfinity);
  EXPECT_EQ((SquaredChange{kInfinity, kInfinity}.relative()), kInfinity);
}

}  // namespace
}  // namespace lckv::infer
