#include <algorithm>

#include "lckv/base/text.h"
#include "lckv/model/plan_svg.h"
#include "lckv/report/html.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

/// Runs that walk the same plan.
struct SamePlan {
  model::Plan plan;
  std::string labels;
};

model::Plan plan_of(const config::ModelConfig& config) {
  return model::build_plan(model::make_layer_specs(config), static_cast<int>(config.forward_passes),
                           static_cast<int>(config.backward_passes));
}

std::vector<SamePlan> distinct_plans(const Runs& runs) {
  std::vector<SamePlan> plans;
  for (const RunFiles& run : runs) {
    if (!run.config) continue;
    model::Plan plan = plan_of(run.config->model);
    const auto known = std::find_if(plans.begin(), plans.end(), [&](const SamePlan& other) {
      return other.plan.cells == plan.cells;
    });
    if (known == plans.end()) {
      plans.push_back({std::move(plan), run.label});
    } else {
      known->labels += ", " + run.label;
    }
  }
  return plans;
}

std::string plan_html(const SamePlan& plan) {
  return format("<div><h3>{}</h3><div class=\"scroll plan\" tabindex=\"0\">{}</div></div>\n",
                escape_html(plan.labels), model::draw_svg(plan.plan));
}

}  // namespace

Section plan_section(const PageInputs& page) {
  std::string why_not = "no run has a config.yaml";
  for (const RunFiles& run : page.runs) {
    if (!run.config_mistake.empty()) why_not = run.config_mistake;
  }
  std::string html;
  for (const SamePlan& plan : distinct_plans(page.runs)) html += plan_html(plan);
  if (html.empty()) return {"The plan of a step", "", why_not};
  return {"The plan of a step", "<div class=\"pair plans\">" + html + "</div>", ""};
}

}  // namespace lckv::report
