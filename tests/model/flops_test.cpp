#include "lckv/model/flops.h"

#include <cmath>

#include <gtest/gtest.h>

#include "lckv/base/text.h"

namespace lckv::model {
namespace {

constexpr double kMega = 1e6;

Dims tinyllama() {
  return {
      .B = 1, .T = 2048, .V = 32000, .L = 22, .C = 2048, .F = 5632, .Hq = 32, .Hkv = 4, .D = 64};
}
Dims llama_50m() {
  return {.B = 1, .T = 1024, .V = 32000, .L = 8, .C = 512, .F = 1024, .Hq = 8, .Hkv = 4, .D = 64};
}
Dims llama_110m() {
  return {.B = 1, .T = 1024, .V = 32000, .L = 12, .C = 768, .F = 2048, .Hq = 12, .Hkv = 6, .D = 64};
}

std::string repeated(const std::string& entry, int times) {
  std::string text;
  for (int i = 0; i < times; ++i) text += "_" + entry;
  return text;
}

/// What the reference executes: every visit, but no backward of blocks whose output is unread; its
/// attention backward also computes the gradient of keys that are constants (spec/lckv.md sections
/// 6 and 13).
struct Counted {
  double forward = 0, training = 0;
  double attentions_forward = 0;  // how many times attention's forward is counted in each
  double attentions_training = 0;
};

class Layout {
 public:
  Layout(const std::string& layer_types, const Dims& dims, int m = 7, int b = 2)
      : dims_(dims),
        specs_(make_layer_specs(layer_types, static_cast<int>(dims.L), 4096, false)),
        m_(m),
        b_(b) {}

  Counted dropped() const {
    const Plan plan = build_plan(specs_, m_, b_);
    const PlanFlops flops = executed_flops(plan, dims_);
    Counted counted{flops.forward.total(), flops.total(), 0, 0};
    count_attentions(plan, counted);
    return counted;
  }
  Counted as_reference() const {
    PlanOptions live{.skip_zero_attention = false, .reuse_queries = false};
    PlanOptions full = live;
    full.drop_unread = false;
    const Plan plan = build_plan(specs_, m_, b_, full);
    const Plan live_plan = build_plan(specs_, m_, b_, live);
    Counted counted;
    count_attentions(plan, counted);
    counted.forward = executed_flops(plan, dims_).forward.total();
    counted.training = counted.forward + executed_flops(live_plan, dims_).backward.total() +
                       constant_attentions(live_plan) * strict_attention();
    return counted;
  }

 private:
  double strict_attention() const {
    return 4 * static_cast<double>(dims_.Cq()) * mean_visible_keys(dims_.T, true, 0);
  }
  /// Upward attentions of the first gradient pass.
  double constant_attentions(const Plan& plan) const {
    double count = 0;
    for (const Cell& cell : plan.cells) {
      count +=
          cell.keeps_grad && cell.runs_attention &&
          (cell.kv_from == kZeroKv || !plan.cells[static_cast<size_t>(cell.kv_from)].keeps_grad);
    }
    return count;
  }
  static void count_attentions(const Plan& plan, Counted& counted) {
    for (const Cell& cell : plan.cells) {
      counted.attentions_forward += cell.runs_attention;
      counted.attentions_training += cell.runs_attention * (cell.keeps_grad ? 3 : 1);
    }
  }

  Dims dims_;
  std::vector<LayerSpec> specs_;
  int m_, b_;
};

/// The specification counts T/2 keys per query; exactly it is (T+1)/2, or (T-1)/2 under a strict
/// mask: one attention differs by 4 Cq / 2. Its numbers are rounded to one MFLOP (half a unit of
/// the last digit here).
double tolerance(const Dims& dims, double attentions, double last_digit) {
  return attentions * 2 * static_cast<double>(dims.Cq()) + 0.5 * last_digit;
}

struct Row {
  const char* name;
  std::string layer_types;
  double forward_m, training_m, ratio;  // as the reference runs
  double dropped_forward_m, dropped_training_m, dropped_ratio;
};

const std::vector<Row>& tinyllama_table() {
  static const std::vector<Row> rows = {
      {"w=2", "0" + repeated("20", 20) + "_21", 17330, 25347, 3.75, 16038, 23879, 3.53},
      {"w=10", "0_1_2_3_4" + repeated("16", 12) + "_17_18_19_20_21", 11307, 17848, 2.64, 10216,
       16648, 2.46},
      {"w=0", "21" + repeated("21", 21), 18836, 27222, 4.03, 17493, 25687, 3.80},
      {"sandwich-middle", "0" + repeated("10", 20) + "_21", 9780, 15910, 2.35, 8740, 14778, 2.19},
  };
  return rows;
}

TEST(Flops, OfTinyLlamaAreThoseOfTheSpecification) {
  const Dims d = tinyllama();
  const Counted llama = Layout("", d).dropped();
  EXPECT_NEAR(llama.forward, 2253 * kMega, tolerance(d, llama.attentions_forward, kMega));
  EXPECT_NEAR(llama.training, 6760 * kMega, tolerance(d, llama.attentions_training, kMega));
  for (const Row& row : tinyllama_table()) {
    SCOPED_TRACE(row.name);
    const Counted reference = Layout(row.layer_types, d).as_reference();
    const Counted dropped = Layout(row.layer_types, d).dropped();
    EXPECT_NEAR(reference.forward, row.forward_m * kMega,
                tolerance(d, reference.attentions_forward, kMega));
    EXPECT_NEAR(reference.training, row.training_m * kMega,
                tolerance(d, reference.attentions_training, kMega));
    EXPECT_NEAR(dropped.forward, row.dropped_forward_m * kMega,
                tolerance(d, dropped.attentions_forward, kMega));
    EXPECT_NEAR(dropped.training, row.dropped_training_m * kMega,
                tolerance(d, dropped.attentions_training, kMega));
    EXPECT_NEAR(reference.training / llama.training, row.ratio, 0.006);
    EXPECT_NEAR(dropped.training / llama.training, row.dropped_ratio, 0.006);
  }
}

TEST(Flops, OfScoringAndPrefillHaveTheSpecifiedRatios) {
  const Dims d = tinyllama();
  const double head =
      executed_flops(build_plan(make_layer_specs("", 22, 0, false), 0, 1), d).forward.head;
  const double llama = Layout("", d).dropped().forward;
  const struct {
    size_t row;
    double scoring, scoring_dropped, prefill, prefill_dropped;
  } expected[] = {{0, 7.7, 7.1, 8.1, 7.5},
                  {1, 5.0, 4.5, 5.3, 4.75},
                  {2, 8.4, 7.8, 8.8, 8.2},
                  {3, 4.3, 3.9, 4.55, 4.1}};
  for (const auto& e : expected) {
    const Row& row = tinyllama_table()[e.row];
    SCOPED_TRACE(row.name);
    const double reference = Layout(row.layer_types, d).as_reference().forward;
    const double dropped = Layout(row.layer_types, d).dropped().forward;
    EXPECT_NEAR(reference / llama, e.scoring, 0.06);
    EXPECT_NEAR(dropped / llama, e.scoring_dropped, 0.06);
    EXPECT_NEAR((reference - head) / (llama - head), e.prefill, 0.06);
    EXPECT_NEAR((dropped - head) / (llama - head), e.prefill_dropped, 0.06);
  }
}

TEST(Flops, OfThe50MModelAreThoseOfTheSpecification) {
  const Dims d = llama_50m();
  const std::string w2 = "0_6_6_6_6_6_6_7";
  const Counted llama = Layout("", d).dropped();
  const Counted reference = Layout(w2, d).as_reference();
  const Counted dropped = Layout(w2, d).dropped();
  const double digit = 0.1 * kMega;
  EXPECT_NEAR(llama.training, 236.7 * kMega, tolerance(d, llama.attentions_training, digit));
  EXPECT_NEAR(reference.training, 538.2 * kMega,
              tolerance(d, reference.attentions_training, digit));
  EXPECT_NEAR(dropped.training, 475.8 * kMega, tolerance(d, dropped.attentions_training, digit));
  EXPECT_NEAR(reference.training / llama.training, 2.27, 0.006);
  EXPECT_NEAR(dropped.training / llama.training, 2.01, 0.006);
  EXPECT_NEAR(reference.forward / llama.forward, 4.2, 0.06);
  EXPECT_NEAR(dropped.forward / llama.forward, 3.5, 0.06);
  const double head = 2.0 * 512 * 32000;
  EXPECT_NEAR((reference.forward - head) / (llama.forward - head), 6.5, 0.06);
  EXPECT_NEAR((dropped.forward - head) / (llama.forward - head), 5.3, 0.06);
}

TEST(Flops, OfThe110MLayoutsHaveTheSpecifiedRatios) {
  const Dims d = llama_110m();
  const double llama = Layout("", d).dropped().training;
  const struct {
    const char* name;
    std::string layer_types;
    double reference, dropped;
  } rows[] = {
      {"pizza-top", "0_1_2_3_4" + repeated("11", 7), 2.34, 2.12},
      {"sandwich-top", "0_1_2" + repeated("9", 7) + "_10_11", 2.34, 2.12},
      {"pizza-middle", "0_1_2_3_4" + repeated("8", 7), 1.74, 1.54},
      {"sandwich-middle", "0_1_2" + repeated("6", 7) + "_10_11", 1.74, 1.54},
      {"lasagna-top", "1_1_3_3_5_5_7_7_9_9_11_11", 3.22, 2.12},
      {"pizza-bottom", "0_1_2_3_4" + repeated("5", 7), 0.97, 0.97},
      {"lasagna-bottom", "0_0_2_2_4_4_6_6_8_8_10_10", 0.97, 0.97},
      {"sandwich-bottom", "0_1_2" + repeated("3", 7) + "_10_11", 0.97, 0.97},
  };
  for (const auto& row : rows) {
    const Layout layout(row.layer_types, d);
    EXPECT_NEAR(layout.as_reference().training / llama, row.reference, 0.006) << row.name;
    EXPECT_NEAR(layout.dropped().training / llama, row.dropped, 0.006) << row.name;
  }
}

TEST(Flops, UsefulOnesAreThoseOfAPlainLlama) {
  const Dims d = tinyllama();
  EXPECT_EQ(useful_flops(d).total(), Layout("", d).dropped().training);
}

TEST(Flops, OfAPlanWithoutGradientHaveNoBackward) {
  const auto specs = make_layer_specs("0_6_6_6_6_6_6_7", 8, 4096, false);
  const PlanFlops scoring =
      executed_flops(build_plan(specs, 7, 2, {.training = false}), llama_50m());
  const PlanFlops training = executed_flops(build_plan(specs, 7, 2), llama_50m());
  EXPECT_EQ(scoring.backward.total(), 0);
  EXPECT_EQ(scoring.forward.total(), training.forward.total());
}

TEST(Flops, MergedQueryGradientsSaveOneProjectionBackward) {
  const auto specs = make_layer_specs("0_6_6_6_6_6_6_7", 8, 4096, false);
  const Dims d = llama_50m();
  const double merged = executed_flops(build_plan(specs, 7, 3), d).backward.projections;
  const double single = executed_flops(build_plan(specs, 7, 3, {.merge_query_gradients = false}), d)
                            .backward.projections;
  EXPECT_EQ(single - merged, 2 * 2 * 2.0 * 512 * 512);  // b - 1 = 2 visits, two derivatives each
}

TEST(Flops, VisibleKeysAreCountedOneByOne) {
  for (int64_t T = 1; T <= 9; ++T) {
    for (int64_t window = 0; window <= 10; ++window) {
      for (const bool strict : {false, true}) {
        int64_t pairs = 0;
        for (int64_t i = 0; i < T; ++i) {
          for (int64_t j = 0; j <= i; ++j) {
            pairs += (j < i || !strict) && (window == 0 || j >= i - window);
          }
        }
        EXPECT_DOUBLE_EQ(mean_visible_keys(T, strict, window),
                         static_cast<double>(pairs) / static_cast<double>(T))
            << "T=" << T << " window=" << window << " strict=" << strict;
      }
    }
  }
}

}  // namespace
}  // namespace lckv::model
