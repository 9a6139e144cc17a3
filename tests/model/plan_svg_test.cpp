#include "lckv/model/plan_svg.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/model/plan_svg_layout.h"

namespace lckv::model {
namespace {

using testing::HasSubstr;
using testing::Not;

Plan plan_of(const std::string& layer_types, int m, int b, const PlanOptions& options = {}) {
  const int layers = static_cast<int>(split(layer_types, '_').size());
  return build_plan(make_layer_specs(layer_types, layers, 1024, false), m, b, options);
}

/// All that picture and method know: dead work of every kind, cycles on cycles, bars that are read
/// from above, windows, and no passes at all.
const std::vector<std::string>& drawn_layouts() {
  static const std::vector<std::string> list = {
      "0_1_2",       "0_3_3_3_4",   "3_3_3_3",         "1_1_3_3",
      "2_1_2_1",     "2_2_4_3_4",   "0s_3s_3_3_3",     "0_6_6_6_6_6_6_7",
      "1_1_3_1_5_3", "0_0_2_2_4_4", "0_0_5_1_5_5_2_7", "0_1_2_5_5_5_5_8_8_8_0"};
  return list;
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

/// The name of the element that is closed in the wrong place, or what else is broken; "": nothing.
std::string first_fault(const std::string& xml) {
  std::vector<std::string> open;
  for (size_t at = 0; at < xml.size(); ++at) {
    if (xml[at] == '&' && xml.find(';', at) > at + 8) return "bare &";
    if (xml[at] != '<') continue;
    const size_t end = xml.find('>', at);
    if (end == std::string::npos) return "tag without end";
    const std::string tag = xml.substr(at + 1, end - at - 1);
    if (tag.find('<') != std::string::npos || count(tag, "\"") % 2 != 0) return tag;
    if (tag.starts_with('/')) {
      if (open.empty() || open.back() != tag.substr(1)) return tag;
      open.pop_back();
      if (open.empty() && end + 2 < xml.size()) return "more than one root";
    } else if (!tag.ends_with('/')) {
      open.push_back(tag.substr(0, tag.find_first_of(" \n")));
    }
    at = end;
  }
  return open.empty() ? "" : open.back();
}

TEST(PlanSvg, IsOneWellFormedElement) {
  for (const std::string& layer_types : drawn_layouts()) {
    const std::string svg = draw_svg(plan_of(layer_types, 3, 2));
    EXPECT_EQ(first_fault(svg), "") << layer_types;
    EXPECT_TRUE(svg.starts_with("<svg "));
    for (const char* absent : {" id=", "<script", "url(", "href", "nan", "inf\""}) {
      EXPECT_THAT(svg, Not(HasSubstr(absent))) << layer_types;
    }
  }
  EXPECT_EQ(first_fault("<svg><g><rect/></svg>"), "/svg");  // the check can fail
  EXPECT_EQ(first_fault("<svg></svg>\n<g></g>"), "more than one root");
  EXPECT_EQ(first_fault("<svg a=\"b></svg>"), "svg a=\"b");
}

TEST(PlanSvg, DrawsEveryCellAndAnArrowForEveryReader) {
  for (const std::string& layer_types : drawn_layouts()) {
    for (const PlanOptions& options :
         {PlanOptions{}, PlanOptions{.training = false}, PlanOptions{.drop_unread = false}}) {
      const Plan plan = plan_of(layer_types, 2, 2, options);
      int readers = 0, with_gradient = 0;
      for (const Cell& cell : plan.cells) {
        readers += cell.runs_attention && cell.kv_from != kZeroKv ? 1 : 0;
        with_gradient += cell.keeps_grad ? 1 : 0;
      }
      const std::string svg = draw_svg(plan);
      const std::string body = svg.substr(svg.find("</style>"));
      EXPECT_EQ(count(body, "class=\"lckv-plan-cell "), static_cast<int>(plan.cells.size()));
      EXPECT_EQ(count(body, "class=\"lckv-plan-read "), readers) << layer_types;
      EXPECT_EQ(count(body, "lckv-plan-grad\"><title>"), with_gradient);
    }
  }
}

TEST(PlanSvg, ArrowsBeginAtTheirSourceAndEndAtTheirReader) {
  for (const std::string& layer_types : drawn_layouts()) {
    const Plan plan = plan_of(layer_types, 2, 2);
    const SvgLayout layout = lay_out(plan, 100);
    for (const SvgArrow& arrow : layout.arrows) {
      EXPECT_EQ(arrow.source, plan.cells[static_cast<size_t>(arrow.reader)].kv_from);
      EXPECT_EQ(arrow.points.empty(), arrow.source == arrow.reader);
      if (arrow.points.empty()) continue;
      const SvgBox& from = layout.cells[static_cast<size_t>(arrow.source)];
      const SvgBox& to = layout.cells[static_cast<size_t>(arrow.reader)];
      const SvgPoint first = arrow.points.front(), last = arrow.points.back();
      EXPECT_TRUE(first.y == from.middle_y() || first.y == from.y);
      EXPECT_TRUE(first.x >= from.x && first.x <= from.right());
      EXPECT_DOUBLE_EQ(last.y, to.middle_y());
      EXPECT_TRUE(last.x == to.x || last.x == to.right());
      for (const SvgPoint& point : arrow.points) {
        EXPECT_TRUE(point.x > 0 && point.x < layout.width) << layer_types;
      }
    }
  }
}

TEST(PlanSvg, CellsNeverCoverEachOther) {
  for (const std::string& layer_types : drawn_layouts()) {
    const SvgLayout layout = lay_out(plan_of(layer_types, 2, 2, {.drop_unread = false}), 100);
    for (size_t i = 0; i < layout.cells.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        const SvgBox &a = layout.cells[i], &b = layout.cells[j];
        EXPECT_TRUE(a.right() < b.x || b.right() < a.x || a.y + a.height < b.y ||
                    b.y + b.height < a.y)
            << layer_types << " cells " << i << " and " << j;
      }
    }
  }
}

TEST(PlanSvg, TellsLayoutPassesAndWhatIsReadInText) {
  const std::string svg = draw_svg(plan_of("0_6_6_6_6_6_6_7", 7, 2));
  EXPECT_THAT(svg, HasSubstr("layer_types: 0_6_6_6_6_6_6_7"));
  EXPECT_THAT(svg, HasSubstr("m = 7 passes without gradient, b = 2 with"));
  EXPECT_THAT(svg, HasSubstr("layer 3, pass 2: attention and MLP, without gradient; reads K,V of "
                             "layer 6, pass 1"));
  EXPECT_THAT(svg, HasSubstr("layer 3, pass 1: its MLP alone"));
  EXPECT_THAT(svg, HasSubstr("layer 6, pass 8: its K,V alone, with gradient"));
  EXPECT_THAT(svg, HasSubstr("strict mask"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme:dark"));
}

TEST(PlanSvg, OfAPlainLlamaHasNoPasses) {
  const std::string svg = draw_svg(plan_of("0_1_2", 7, 2));
  EXPECT_THAT(svg, HasSubstr("3 layers, K,V in 3; every layer once"));
  EXPECT_THAT(svg, Not(HasSubstr("m = 7")));
  EXPECT_THAT(svg, Not(HasSubstr("strict mask")));
}

TEST(PlanSvg, StaysNarrowEnoughForAPhoneWhenTheModelIsDeep) {
  std::string layer_types = "0";
  for (int i = 1; i < 31; ++i) layer_types += "_30";
  EXPECT_LT(lay_out(plan_of(layer_types + "_31", 7, 2), 100).width, 520);
}

}  // namespace
}  // namespace lckv::model
