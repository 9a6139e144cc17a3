#include "lckv/infer/decode_traffic.h"

#include <gtest/gtest.h>

#include "cached_network.h"
#include "lckv/infer/static_batch.h"

namespace lckv::infer {
namespace {

model::Plan step_plan(const std::string& layer_types) {
  Arena planned = Arena::planning();
  StaticBatch batch(planned, test::small_config(layer_types),
                    {.dtype = DType::kBF16, .prefill = {}, .sequences = 3, .new_tokens = 20});
  return batch.decode_plan(/*fresh=*/false);
}

DecodeTraffic traffic_of(const model::Plan& plan, const DecodeContext& context,
                         const SinkWindow& streaming = {}) {
  const auto layers = std::ssize(plan.layers);
  config::ModelConfig config = test::small_config("0");
  config.num_hidden_layers = layers;
  return decode_traffic(plan, model::make_dims(config, 1, 1), DType::kBF16, streaming, context);
}

// C = 12, F = 10, V = 11, Cq = 16, Ckv = 8; three sequences, bf16.
constexpr int64_t kBlock = 12 + 2 * 12 * 16 + 12 + 3 * 10 * 12;  // norms, q and o, MLP
constexpr int64_t kKeyValue = 2 * 8 * 12;
constexpr int64_t kEnds = 3 * 12 + 12 + 11 * 12;  // embedding rows, norm, head
constexpr int64_t kOfKey = 2 * 8 * 2;             // bytes of a key with its value

TEST(DecodeTraffic, IsThePlansByHandForAPlainLlama) {
  const DecodeTraffic traffic =
      traffic_of(step_plan("0_1_2"), {.sequences = 3, .cached_tokens = 7});
  EXPECT_EQ(traffic.weights_bytes, 2 * (3 * (kBlock + kKeyValue) + kEnds));
  EXPECT_EQ(traffic.kv_bytes, 3 * 3 * 8 * kOfKey);  // layers, sequences, 7 cached and the own one
}

TEST(DecodeTraffic, IsThePlansByHandForACondensedCache) {
  // Layers 0 and 3 have keys; 1 and 2 read those of 3, which has only the cached ones for them.
  const DecodeTraffic traffic =
      traffic_of(step_plan("0_3_3_3"), {.sequences = 3, .cached_tokens = 7});
  EXPECT_EQ(traffic.weights_bytes, 2 * (4 * kBlock + 2 * kKeyValue + kEnds));
  EXPECT_EQ(traffic.kv_bytes, 3 * (8 + 7 + 7 + 8) * kOfKey);
}

TEST(DecodeTraffic, ReadsOfALayerWithAWindowWhatTheWindowHolds) {
  const DecodeTraffic traffic = traffic_of(step_plan("0_1s"), {.sequences = 3, .cached_tokens = 7});
  EXPECT_EQ(traffic.kv_bytes, 3 * (8 + 3) * kOfKey);  // window 2
}

TEST(DecodeTraffic, ReadsOfAStreamTheSinksAndTheNewest) {
  const DecodeTraffic traffic = traffic_of(step_plan("0_1"), {.sequences = 3, .cached_tokens = 9},
                                           {.sinks = 1, .window_tokens = 4});
  EXPECT_EQ(traffic.kv_bytes, 3 * 2 * (1 + 3 + 1) * kOfKey);
}

TEST(DecodeTraffic, ReadsWhatSequencesShareOnce) {
  const model::Plan plan = step_plan("0_3_3_3");
  const DecodeTraffic traffic =
      traffic_of(plan, {.sequences = 3, .cached_tokens = 7, .shared_tokens = 5});
  EXPECT_EQ(traffic.kv_bytes, (4 * 5 + 3 * (3 + 2 + 2 + 3)) * kOfKey);
  EXPECT_EQ(traffic.weights_bytes,
            traffic_of(plan, {.sequences = 3, .cached_tokens = 7}).weights_bytes);
}

TEST(DecodeTraffic, SeesAVisitThatIsMissingOrOneTooMany) {
  const model::Plan plan = step_plan("0_3_3_3");
  const DecodeContext context{.sequences = 3, .cached_tokens = 7};
  const int64_t total = traffic_of(plan, context).total_bytes();
  for (size_t c = 0; c < plan.cells.size(); ++c) {
    model::Plan planted = plan;
    planted.cells[c].runs_attention = !planted.cells[c].runs_attention;
    EXPECT_NE(traffic_of(planted, context).total_bytes(), total) << c;
    planted = plan;
    planted.cells[c].writes_kv = !planted.cells[c].writes_kv;
    EXPECT_NE(traffic_of(planted, context).total_bytes(), total) << c;
    planted = plan;
    planted.cells.push_back(plan.cells[c]);
    EXPECT_GT(traffic_of(planted, context).total_bytes(), total) << c;
  }
}

}  // namespace
}  // namespace lckv::infer
