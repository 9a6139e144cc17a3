#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "evaluated_run.h"
#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/train/evaluation_report.h"
#include "lckv/train/run_scratch.h"
#include "lone_run.h"

// What validations tell of keys and values that settle.

namespace lckv::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Validation some_validation() {
  Validation validation;
  validation.own.mean_nll = 2;
  validation.exact = ExactLoss{2.5, 2, 5, 100, 0};
  eval::KvConvergence kv;
  kv.changes = {0.5, 0.25, 1e-7};
  kv.token_changes = {{1, 0.01f}, {0, 1e-3f}, {0, 0}};
  kv.trained_passes = 3;
  validation.kv = kv;
  return validation;
}

double value_of(const MetricsRow& row, const std::string& name) {
  for (const auto& [key, value] : row) {
    if (key == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

TEST(EvaluationReport, NamesTheChangeOfEveryPass) {
  Validation validation = some_validation();
  const MetricsRow row = validation_row(7, validation);
  EXPECT_EQ(value_of(row, "kv_convergence/pass_2"), 0.5);
  EXPECT_EQ(value_of(row, "kv_convergence/pass_3"), 0.25);
  EXPECT_EQ(value_of(row, "kv_convergence/pass_4"), 1e-7);
  EXPECT_TRUE(std::isnan(value_of(row, "kv_convergence/pass_5")));
  EXPECT_TRUE(std::isnan(value_of(row, "kv_convergence/exact_distance")));
  validation.kv->exact_distance = 0.125;
  EXPECT_EQ(value_of(validation_row(7, validation), "kv_convergence/exact_distance"), 0.125);
}

TEST(EvaluationReport, SaysWhatTheLastTrainedPassStillChanged) {
  Validation validation = some_validation();
  EXPECT_THAT(to_text(validation), HasSubstr(", K,V changed by 2.5e-01 in pass 3"));
  EXPECT_THAT(to_text(validation), Not(HasSubstr("from exact")));
  validation.kv->exact_distance = 0.125;
  validation.kv->trained_passes = 9;  // had converged before
  EXPECT_THAT(to_text(validation),
              HasSubstr(", K,V changed by 1.0e-07 in pass 4, 1.2e-01 from exact"));
  validation.kv->trained_passes = 1;
  EXPECT_THAT(to_text(validation), HasSubstr("in pass 2"));
  validation.kv->changes.clear();  // every row is one token
  EXPECT_THAT(to_text(validation), Not(HasSubstr("K,V")));
}

TEST(EvaluationReport, HistogramsAreOfLogarithmsOfEveryToken) {
  const std::vector<Histogram> histograms = kv_histograms(some_validation());
  ASSERT_EQ(histograms.size(), 3u);
  EXPECT_EQ(histograms[0].tag, "kv_convergence/rows/pass_2");
  EXPECT_EQ(histograms[2].tag, "kv_convergence/rows/pass_4");
  EXPECT_THAT(histograms[0].values, ElementsAre(0, testing::DoubleNear(-2, 1e-7)));
  EXPECT_THAT(histograms[1].values, ElementsAre(-10, testing::DoubleNear(-3, 1e-7)));
  EXPECT_THAT(histograms[2].values, ElementsAre(-10, -10));
  EXPECT_THAT(kv_histograms(Validation{}), IsEmpty());
}

class KvOfRuns : public testing::Test {
 protected:
  KvOfRuns() { set_log_quiet(true); }
  ~KvOfRuns() override { set_log_quiet(false); }

  static config::RunConfig some_run(const std::string& name) {
    config::RunConfig run = test::evaluated_run(test::fresh_folder(name));
    run.train.precision = config::Precision::kFp64;
    return run;
  }
  static std::map<int64_t, nlohmann::json> train(const config::RunConfig& run) {
    test::train_alone(run);
    return test::rows_with(run.output, "validation/exact_loss");
  }
};

TEST_F(KvOfRuns, AreToldWithEachExactValidation) {
  config::RunConfig run = some_run("kv_told");
  run.eval.kv_exact_distance = true;
  run.eval.converge_eps = 1e-9;
  const auto rows = train(run);
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& [step, row] : rows) {
    const int64_t passes = row["validation/exact_passes"];
    double before = std::numeric_limits<double>::infinity();
    for (int64_t pass = 2; pass < passes; ++pass) {
      const double change = row.at(format("kv_convergence/pass_{}", pass));
      EXPECT_LT(change, before) << pass;
      before = change;
    }
    EXPECT_LE(before, 1e-9);
    const int64_t trained = run.model.forward_passes + run.model.backward_passes;
    ASSERT_GT(passes, trained + 1);
    // What is left after the passes of training is what the next ones change, and no more than the
    // sum of their changes, for K,V whose size stays about the same.
    double left = 0;
    for (int64_t pass = trained + 1; pass < passes; ++pass) {
      left += row.at(format("kv_convergence/pass_{}", pass)).get<double>();
    }
    const double distance = row.at("kv_convergence/exact_distance");
    EXPECT_GT(distance, 0);
    EXPECT_LT(distance, 1.5 * left);
  }
}

TEST_F(KvOfRuns, AreNotToldWhereTheyAreNotAskedFor) {
  config::RunConfig run = some_run("kv_untold");
  run.eval.kv_convergence = config::KvConvergence::kFalse;
  for (const auto& [step, row] : train(run)) {
    for (const auto& [name, value] : row.items()) EXPECT_THAT(name, Not(HasSubstr("kv_")));
  }
}

TEST_F(KvOfRuns, ChangeNoScore) {
  config::RunConfig with = some_run("kv_with"), without = some_run("kv_without");
  with.eval.kv_exact_distance = true;
  without.eval.kv_convergence = config::KvConvergence::kFalse;
  const auto ours = train(with), theirs = train(without);
  ASSERT_EQ(ours.size(), theirs.size());
  for (const auto& [step, row] : theirs) {
    for (const char* const key : {"validation/exact_loss", "validation/exact_passes"}) {
      EXPECT_EQ(ours.at(step)[key], row[key]);
    }
  }
}

TEST_F(KvOfRuns, TakeMemoryForDistancesAloneAndItIsPlanned) {
  config::RunConfig run = some_run("kv_memory");
  const auto planned = [&] {
    return plan_run_scratch(run, DType::kF64, comm::single_process(), {}).bytes();
  };
  const int64_t told = planned();
  run.eval.kv_convergence = config::KvConvergence::kFalse;
  EXPECT_EQ(planned(), told);
  run.eval.kv_convergence = config::KvConvergence::kTrue;
  run.eval.kv_exact_distance = true;
  const model::Dims d = model::make_dims(run.model, 1, 1);
  const int64_t rows = std::max(run.eval.batch_tokens, run.data.sequence_tokens);
  EXPECT_EQ(planned() - told, rows * 2 * d.Ckv() * 8);  // of the one layer that is read upward
}

}  // namespace
}  // namespace lckv::train
