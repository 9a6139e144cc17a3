#include "lckv/infer/kv_cache.h"

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "cached_network.h"
#include "lckv/base/random.h"
#include "lckv/test_support/refusal.h"

namespace lckv::infer {
namespace {

model::Dims tinyllama_dims() {
  model::Dims d;
  d.Hq = 32, d.Hkv = 4, d.D = 64, d.L = 22;
  return d;
}

/// 22 layers: w = 2 reads layer 20 from below, and so on.
std::string lckv_layers(int w) {
  std::string text;
  for (int i = 0; i < 22; ++i) {
    const bool condensed = i >= w / 2 && i < 22 - w / 2;
    text += format("{}{}", i == 0 ? "" : "_", condensed ? 22 - w / 2 - 1 : i);
  }
  return text;
}

struct Cache {
  Cache(const std::string& layer_types, const model::Dims& dims, const KvCache::Options& options,
        int64_t window = 2)
      : layers(model::make_layer_specs(layer_types, static_cast<int>(dims.L), window, false)),
        plan(Arena::planning()),
        planned(plan, layers, dims, options),
        arena(Arena::allocate(plan)),
        cache(arena, layers, dims, options) {}

  std::vector<model::LayerSpec> layers;
  Arena plan;
  KvCache planned;
  Arena arena;
  KvCache cache;
};

KvCache::Options options(int64_t sequences, int64_t most_tokens, int64_t page_tokens,
                         DType dtype = DType::kF32) {
  KvCache::Options result;
  result.dtype = dtype;
  result.sequences = sequences;
  result.most_tokens = most_tokens;
  result.page_tokens = page_tokens;
  return result;
}

TEST(KvCache, HoldsTheBytesPerTokenOfTheSpecification) {
  const std::map<int, int64_t> expected = {{22, 22528}, {10, 11264}, {2, 3072}, {0, 1024}};
  for (const auto& [w, bytes] : expected) {
    const Cache c(lckv_layers(w), tinyllama_dims(), options(1, 64, 16, DType::kBF16));
    EXPECT_EQ(c.cache.bytes_per_token(), bytes) << "w = " << w;
    EXPECT_EQ(c.cache.bytes(), 64 * bytes);
  }
}

TEST(KvCache, TakesTheMemoryThatWasPlannedAndUsesWhatItsTokensNeed) {
  Cache c(lckv_layers(2), tinyllama_dims(), options(3, 100, 16, DType::kBF16));
  EXPECT_EQ(c.arena.bytes(), c.plan.bytes());
  EXPECT_EQ(c.arena.bytes(), c.cache.bytes());
  EXPECT_EQ(c.cache.bytes(), 3 * 112 * 3072);  // pages of 16
  EXPECT_EQ(c.cache.used_bytes(), 0);
  const int64_t a = c.cache.add(), b = c.cache.add();
  c.cache.append(a, 1);
  c.cache.append(b, 17);
  EXPECT_EQ(c.cache.used_bytes(), (16 + 32) * 3072);
  c.cache.remove(b);
  EXPECT_EQ(c.cache.used_bytes(), 16 * 3072);
}

TEST(KvCache, OfAWindowGivesBackWhatNoQueryWillSee) {
  // Layer 1 is read through a window of 5 alone, layer 2 also without: it keeps all.
  model::Dims d = tinyllama_dims();
  d.L = 4;
  auto with = options(1, 1000, 4);
  Cache c("1s_1s_2_2s", d, with, 5);
  const int64_t sequence = c.cache.add();
  int64_t most = 0;
  for (int64_t t = 0; t < 1000; ++t) {
    c.cache.append(sequence, 1);
    c.cache.complete(sequence);
    for (const PageTable& table : c.cache.tables()) {
      if (!table.retention().keeps_all()) most = std::max(most, table.used_pages());
      // What a query at t + 1 sees is there.
      for (int64_t key = std::max<int64_t>(0, t + 1 - 5); key <= t; ++key) {
        EXPECT_GE(table.slot(sequence, key), 0);
      }
    }
  }
  EXPECT_EQ(most, 2);  // 5 tokens, at any place in pages of 4
  ASSERT_EQ(c.cache.tables().size(), 2u);
  EXPECT_EQ(c.cache.bytes_per_token(), 2 * 4 * 64 * 4);
}

TEST(KvCache, SaysThatItIsFullAndStaysAsItWas) {
  model::Dims d = tinyllama_dims();
  d.L = 1;
  auto with = options(2, 64, 4);
  with.total_tokens = 16;
  Cache c("0", d, with);
  const int64_t a = c.cache.add(), b = c.cache.add();
  c.cache.append(a, 9);  // three of four pages
  c.cache.append(b, 4);
  EXPECT_FALSE(c.cache.fits({a, b}, {1, 1}));
  EXPECT_TRUE(c.cache.fits({a}, {3}));
  const int64_t used = c.cache.used_bytes();
  EXPECT_THROW(c.cache.append(b, 1), CacheFull);
  EXPECT_EQ(c.cache.length(b), 4);
  EXPECT_EQ(c.cache.used_bytes(), used);
  test::expect_refusal<CacheFull>([&] { c.cache.add(); }, "has its 2 sequences");
  test::expect_refusal<ConfigError>([&] { c.cache.append(a, 60); },
                                    "69 tokens is longer than the 64");
  c.cache.remove(a);
  c.cache.append(b, 12);
}

/// Random work on a table, against sets of pages kept by hand.
TEST(PageTable, GivesEveryTokenAPlaceThatIsNobodyElses) {
  constexpr int64_t kSequences = 5, kPage = 3, kTokens = 30;
  const CounterRng rng(11, hash_text("page table"));
  PageTable table({40, kPage, kSequences, kTokens}, {});
  std::vector<int64_t> length(kSequences, 0);
  uint64_t at = 0;
  for (int step = 0; step < 4000; ++step) {
    const auto s = static_cast<size_t>(rng.below(at++, kSequences));
    const auto what = rng.below(at++, 4);
    const auto n = static_cast<int64_t>(rng.below(at++, 5));
    bool grew = false;
    if (what < 2 && length[s] + n <= kTokens &&
        table.pages_needed(static_cast<int64_t>(s), length[s], length[s] + n) <=
            table.free_pages() - 1) {
      grew = true;
      if (length[s] % kPage != 0) table.separate(static_cast<int64_t>(s), length[s]);
      table.grow(static_cast<int64_t>(s), length[s], length[s] + n);
      length[s] += n;
    } else if (what == 2) {
      const int64_t before = length[s];
      length[s] = std::min(length[s], n * 4);
      table.truncate(static_cast<int64_t>(s), length[s], before);
    } else if (length[s] == 0) {
      const auto of = static_cast<size_t>(rng.below(at++, kSequences));
      const int64_t shared = length[of] / kPage * kPage;
      if (of == s) continue;
      table.share(static_cast<int64_t>(s), static_cast<int64_t>(of), shared);
      length[s] = shared;
    }
    std::set<int32_t> pages;
    for (size_t i = 0; i < kSequences; ++i) {
      for (int64_t t = 0; t < length[i]; ++t) {
        pages.insert(table.slot(static_cast<int64_t>(i), t) / static_cast<int32_t>(kPage));
      }
    }
    ASSERT_EQ(static_cast<int64_t>(pages.size()), table.used_pages()) << "step " << step;
    // The page of a new token is nobody else's.
    if (what >= 2 || length[s] == 0 || n == 0) continue;
    const auto page_of = [&](size_t i, int64_t t) {
      return table.slot(static_cast<int64_t>(i), t) / static_cast<int32_t>(kPage);
    };
    const int32_t own = page_of(s, length[s] - 1);
    for (size_t j = 0; j < kSequences; ++j) {
      for (int64_t t = 0; j != s && grew && t < length[j]; ++t) {
        ASSERT_NE(page_of(j, t), own) << "step " << step;
      }
    }
  }
}

TEST(Retention, IsDecidedByTheReaders) {
  const auto layers = model::make_layer_specs("0s_0_2s_2s_4", 5, 7, false);
  EXPECT_EQ(retention_of(layers, 0, {}), (Retention{}));
  EXPECT_EQ(retention_of(layers, 2, {}), (Retention{0, 7}));
  EXPECT_EQ(retention_of(layers, 4, {}), (Retention{}));
  const auto plain = model::make_layer_specs("0_1", 2, 7, false);
  EXPECT_EQ(retention_of(plain, 1, {4, 64}), (Retention{4, 60}));
  test::expect_refusal<ConfigError>(
      [&] {
        require_possible({4, 64}, layers, 1000);
      },
      "windows (s)");
  test::expect_refusal<ConfigError>(
      [&] {
        require_possible({4, 64}, plain, 50);
      },
      "above the model's 50");
  test::expect_refusal<ConfigError>(
      [&] {
        require_possible({4, 4}, plain, 50);
      },
      "4 sinks do not fit");
  test::expect_refusal<ConfigError>(
      [&] {
        require_possible({4, 0}, plain, 50);
      },
      "without a window");
}

}  // namespace
}  // namespace lckv::infer
