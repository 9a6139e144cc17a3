#include "lckv/eval/task.h"

#include <set>

#include "lckv/base/error.h"
#include "lckv/eval/compat.h"
#include "lckv/test_support/refusal.h"

namespace lckv::eval {
namespace {

TEST(Task, TheTableHoldsTheTasksOfTheSpecificationOnceEach) {
  std::set<std::string> names;
  for (const Task& task : all_tasks()) names.insert(task.name);
  EXPECT_EQ(names, (std::set<std::string>{"hellaswag", "openbookqa", "winogrande", "arc_easy",
                                          "arc_challenge", "boolq", "piqa", "sciq",
                                          "lambada_openai", "wikitext", "questions"}));
  EXPECT_EQ(names.size(), all_tasks().size());
}

TEST(Task, FourTasksDeclareNoTestSplit) {
  std::set<std::string> names;
  for (const Task& task : all_tasks()) {
    if (!task.has_test_split()) names.insert(task.name);
  }
  EXPECT_EQ(names, (std::set<std::string>{"hellaswag", "winogrande", "boolq", "piqa"}));
}

TEST(Task, MetricsFollowFromWhatIsAsked) {
  for (const Task& task : all_tasks()) {
    const bool rolls = task.output == OutputKind::kRolling;
    for (const Metric metric : task.metrics) {
      EXPECT_EQ(rolls, aggregation(metric) != "mean" && aggregation(metric) != "perplexity");
    }
  }
  EXPECT_EQ(find_task("winogrande").metrics, std::vector{Metric::kAcc});
  EXPECT_EQ(find_task("boolq").metrics, std::vector{Metric::kAcc});
  EXPECT_EQ(find_task("boolq").version, 2.0);
  EXPECT_EQ(name(find_task("wikitext").output), "loglikelihood_rolling");
}

TEST(Task, AnUnknownNameIsRefusedWithTheNearestOne) {
  test::expect_refusal<ConfigError>([] { find_task("arc_eazy"); },
                                    "there is no task 'arc_eazy'; did you mean 'arc_easy'?");
  test::expect_refusal<ConfigError>([] { find_task("xyz123456789"); },
                                    "expected one of hellaswag, openbookqa, ");
}

TEST(Compat, IsReadAndWrittenByOneName) {
  EXPECT_EQ(parse_compat("lmeval-0.4.5"), Compat::kLmEval045);
  EXPECT_EQ(parse_compat("lmeval-head"), Compat::kLmEvalHead);
  test::expect_refusal<ConfigError>([] { parse_compat("lmeval"); },
                                    "compat 'lmeval': expected lmeval-0.4.5 or lmeval-head");
}

}  // namespace
}  // namespace lckv::eval
