#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/report/report.h"
#include "run_folder.h"

namespace lckv::report {
namespace {

using nlohmann::json;
using test::RunFolder;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Metrics with all names of the format, `steps` training rows of them.
std::string full_metrics(int steps) {
  std::string text =
      "{\"step\":0,\"memory/planned/weights_bytes\":1048576,"
      "\"memory/planned/activations_bytes\":3145728,\"memory/planned_bytes\":4194304,"
      "\"memory/measured_bytes\":4404019}\n";
  for (int step = 1; step <= steps; ++step) {
    text += format(
        "{{\"step\":{0},\"loss\":{1},\"lr\":0.001,\"grad_norm\":1.5,\"tokens\":{2},"
        "\"tokens_per_s\":100,\"executed_frac\":0.5,\"useful_frac\":0.25}}\n",
        step, 1 + 5.0 / step, step * 64);
  }
  return text +
         format(
             "{{\"step\":{0},\"validation_loss\":2.5,\"validation/loss\":2.5,"
             "\"validation/exact_loss\":2.75,\"kv_convergence/pass_2\":0.1,"
             "\"kv_convergence/pass_3\":0.01,\"kv_convergence/exact_distance\":0.001}}\n"
             "{{\"step\":{0},\"time/matmul_s\":0.3,\"time/attention_s\":0.1}}\n"
             "{{\"step\":{0},\"eval/questions/acc\":0.5,\"eval/questions/acc_stderr\":0.1}}\n",
             steps);
}

std::string page_of(const std::vector<std::string>& folders, ReportOptions options = {}) {
  return page_html(read_runs(folders), options, "now");
}

/// The JSON of every chart of a page.
std::vector<json> charts_of(const std::string& page) {
  std::vector<json> charts;
  const std::string begin = "class=\"data\">", end = "</script>";
  for (size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at)) {
    at += begin.size();
    charts.push_back(json::parse(page.substr(at, page.find(end, at) - at)));
  }
  return charts;
}

TEST(Page, ShowsEverySectionThatHasData) {
  const RunFolder run("full");
  run.write("metrics.jsonl", full_metrics(50));
  run.write("config.yaml", test::small_config());
  run.write("events.jsonl", "{\"step\":3,\"kind\":\"spike\",\"message\":\"high\"}\n");
  const std::string page = page_of({run.path()});
  for (const char* title :
       {"Overview", "Training loss", "Validation loss", "Convergence of keys and values",
        "Evaluation", "Optimizer", "Throughput", "Where the time of a step goes",
        "Memory, planned and measured", "The plan of a step", "Configuration", "Health"}) {
    EXPECT_THAT(page, HasSubstr(format("<h2>{}</h2>", title)));
  }
  EXPECT_THAT(page, Not(HasSubstr("Not shown")));
  EXPECT_THAT(page, AllOf(HasSubstr("4.00 MiB"), HasSubstr("105.0 %"), HasSubstr("75.0 %"),
                          HasSubstr("1.00e-03"), HasSubstr("0.5000 \u00b1 0.1000")));
}

TEST(Page, SaysInALineWhyASectionIsNotThere) {
  const RunFolder run("bare");
  run.write("metrics.jsonl", "{\"step\":1,\"loss\":2}\n");
  const std::string page = page_of({run.path()});
  EXPECT_THAT(page, AllOf(HasSubstr("<h2>Training loss</h2>"), HasSubstr("Not shown"),
                          HasSubstr("<li>Configuration: no run has a config.yaml</li>"),
                          HasSubstr("<li>Convergence of keys and values: no run has "),
                          Not(HasSubstr("<h2>Configuration</h2>"))));
}

TEST(Page, OfARunWithoutMetricsHasItsPlanAndSaysSo) {
  const RunFolder run("planned");
  run.write("config.yaml", test::small_config());
  const std::string page = page_of({run.path()});
  EXPECT_THAT(page, AllOf(HasSubstr("planned: there is no metrics.jsonl"),
                          HasSubstr("<h2>The plan of a step</h2>"),
                          HasSubstr("<li>Training loss: no run has ")));
}

TEST(Page, CarriesAsManyPointsAsTheFileHasLines) {
  const RunFolder run("points");
  run.write("metrics.jsonl", full_metrics(321));
  int curves = 0;
  for (const json& chart : charts_of(page_of({run.path()}))) {
    if (chart["x"]["label"] != "step") continue;
    for (const json& curve : chart["curves"]) {
      const size_t all = curve["all"];
      EXPECT_EQ(curve["x"].size(), all);
      EXPECT_EQ(curve["y"].size(), all);
      curves += all == 321 ? 1 : 0;
    }
  }
  EXPECT_EQ(curves, 2 + 2 + 1 + 2 + 2);  // loss, gradient, rate, tokens/s, utilisation
}

TEST(Page, ThinsLongCurvesAndSaysSo) {
  const RunFolder run("long");
  run.write("metrics.jsonl", full_metrics(20'000));
  const std::string page = page_of({run.path()});
  EXPECT_THAT(page, HasSubstr("of up to 20 000 points of a curve"));
  for (const json& chart : charts_of(page)) {
    for (const json& curve : chart["curves"]) EXPECT_LE(curve["x"].size(), 1002u);
  }
}

TEST(Page, DrawsOverTokensWhenAsked) {
  const RunFolder run("tokens");
  run.write("metrics.jsonl", full_metrics(10));
  const json chart = charts_of(page_of({run.path()}, {.across = Across::kTokens, .title = ""}))[0];
  EXPECT_EQ(chart["x"]["label"], "tokens trained on");
  EXPECT_EQ(chart["curves"][0]["x"].back(), 640);
}

TEST(Page, TellsRunsOfOneNameApart) {
  const RunFolder a("a/run"), b("b/run");
  a.write("metrics.jsonl", full_metrics(5));
  b.write("metrics.jsonl", full_metrics(5));
  const std::string page = page_of({a.path(), b.path()});
  EXPECT_THAT(page,
              AllOf(HasSubstr("<strong>a/run</strong>"), HasSubstr("<strong>b/run</strong>")));
}

TEST(Page, ShowsWhatConfigurationsDifferIn) {
  const RunFolder a("one"), b("two");
  a.write("config.yaml", test::small_config("0_3_3_3_4"));
  b.write("config.yaml", test::small_config("0_1_2_3_4"));
  const std::string page = page_of({a.path(), b.path()});
  EXPECT_THAT(page, AllOf(HasSubstr("<th scope=\"row\">model.layer_types</th>"),
                          Not(HasSubstr("<th scope=\"row\">model.hidden_size</th>")),
                          HasSubstr("<h3>one</h3>"), HasSubstr("<h3>two</h3>")));
}

TEST(Page, EscapesWhatFilesAndFoldersSay) {
  const std::string evil = "<img src=x onerror=alert(1)>";
  const RunFolder run("<b>run");
  run.write("metrics.jsonl", json{{"step", 1},
                                  {"loss", 2},
                                  {"eval/" + evil + "/acc", 1},
                                  {"time/" + evil + "_s", 1},
                                  {"memory/planned/" + evil + "_bytes", 1}}
                                     .dump() +
                                 "\n");
  run.write("events.jsonl",
            json{{"step", 1}, {"time", evil}, {"kind", evil}, {"message", evil}}.dump() + "\n");
  run.write("status.json", json{{"state", evil}, {"grid", evil}, {"ranks", 1}}.dump());
  run.write("config.yaml", "output: '" + evil + "'\n");
  const std::string page = page_of({run.path()}, {.across = Across::kSteps, .title = evil});
  EXPECT_THAT(page, AllOf(Not(HasSubstr("<img")), Not(HasSubstr("<b>run"))));
}

TEST(Page, AsksForNothingFromOutside) {
  const RunFolder run("alone");
  run.write("metrics.jsonl", full_metrics(5));
  run.write("config.yaml", test::small_config());
  std::string page = page_of({run.path()});
  const std::string name_of_svg = "http://www.w3.org/2000/svg";  // a name: nothing is loaded
  page.erase(page.find(name_of_svg), name_of_svg.size());
  for (const char* way :
       {"http:", "https:", "src=", "<link", "@import", "url(", "fetch(", "import("}) {
    EXPECT_THAT(page, Not(HasSubstr(way)));
  }
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
}

TEST(Page, ARunThatEndedNotFiniteHasNoFinalLossAndIsNotTheBest) {
  const RunFolder good("good"), bad("bad");
  good.write("metrics.jsonl",
             "{\"step\":1,\"loss\":null}\n{\"step\":2,\"loss\":4,\"validation_loss\":4}\n");
  bad.write("metrics.jsonl",
            "{\"step\":1,\"loss\":1,\"validation_loss\":1}\n"
            "{\"step\":2,\"loss\":null,\"validation_loss\":null}\n");
  const std::string page = page_of({good.path(), bad.path()}), bad_cell = "<td>not finite</td>";
  EXPECT_THAT(page, HasSubstr("<td>4.0000 <span class=\"detail\">mean of 1 of the last 2, the "
                              "others not finite</span></td>" +
                              bad_cell));
  EXPECT_THAT(page, HasSubstr("perplexity 54.60</span></td>" + bad_cell));
  EXPECT_THAT(page, HasSubstr("<strong>1.0000</strong> <span class=\"detail\">step 1</span>"));
}

TEST(Page, MarksATornEnd) {
  const RunFolder run("live");
  run.write("metrics.jsonl", "{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
  EXPECT_THAT(page_of({run.path()}),
              HasSubstr("live: the last line of metrics.jsonl is not whole"));
}

}  // namespace
}  // namespace lckv::report
