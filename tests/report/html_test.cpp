#include "lckv/report/html.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/report/chart.h"
#include "lckv/report/table.h"

namespace lckv::report {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string kEvil = "</script><img src=x onerror='a(\"b\")'>&\x01";

TEST(Html, EscapesWhatHtmlReadsAsItsOwn) {
  EXPECT_EQ(escape_html("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escape_html("a\tb\nc"), "a\tb\nc");
  EXPECT_EQ(escape_html(std::string("\0\x7f", 2)), "\ufffd\ufffd");
  EXPECT_EQ(escape_html("\u00e4\u4e2d"), "\u00e4\u4e2d");
}

TEST(Html, JsonTextsCannotEndTheScriptThatTheyStandInAndReadBackAsTheyWere) {
  const std::string json = json_string(kEvil + "\\\n");
  EXPECT_THAT(json, AllOf(Not(HasSubstr("<")), Not(HasSubstr(">")), Not(HasSubstr("&"))));
  EXPECT_EQ(nlohmann::json::parse(json).get<std::string>(), kEvil + "\\\n");
}

TEST(Html, NumbersReadBackAsTheyWereAndWhatIsNotFiniteIsNull) {
  for (const double value : {0.1, 1.293536315896509, 1e300, -5e-324, 123456789012.0}) {
    EXPECT_EQ(nlohmann::json::parse(json_number(value)).get<double>(), value);
  }
  EXPECT_EQ(json_number(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(json_number(-std::numeric_limits<double>::infinity()), "null");
}

Chart evil_chart() {
  Chart chart;
  chart.title = chart.x_label = chart.y_label = chart.note = kEvil;
  chart.curves.push_back({kEvil, run_colour(0), kEvil, Stroke::kDots, {{1, 2}, {3, 4}}});
  chart.curves.push_back({kEvil + "2", run_colour(1), "raw", Stroke::kFaint, {{1, 2}, {3, 4}}});
  return chart;
}

TEST(Html, ChartsEscapeEveryText) {
  const std::string html = chart_html(evil_chart(), 1);
  EXPECT_THAT(html, Not(HasSubstr("<img")));
  EXPECT_THAT(html, HasSubstr("&lt;img src=x onerror=&#39;"));
}

TEST(Html, TablesEscapeEveryText) {
  Table table{kEvil, {{kEvil, "var(--c0)"}}, {}, false};
  table.rows.push_back({kEvil, {{.text = kEvil, .detail = kEvil, .strong = true}}, false});
  EXPECT_THAT(table_html(table), Not(HasSubstr("<img")));
}

TEST(Html, AChartCarriesThePointsOfItsCurves) {
  const std::string html = chart_html(evil_chart(), 1);
  const std::string begin = "class=\"data\">";
  const size_t from = html.find(begin) + begin.size();
  const auto data = nlohmann::json::parse(html.substr(from, html.find("</script>", from) - from));
  ASSERT_EQ(data["curves"].size(), 2u);
  EXPECT_EQ(data["curves"][0]["group"], kEvil);
  EXPECT_EQ(data["curves"][0]["x"], nlohmann::json({1, 2}));
  EXPECT_EQ(data["curves"][0]["y"], nlohmann::json({3, 4}));
}

}  // namespace
}  // namespace lckv::report
