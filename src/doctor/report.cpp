#include "lckv/doctor/report.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"

namespace lckv::doctor {

namespace {

using Json = nlohmann::ordered_json;

size_t widest(const std::vector<Finding>& findings, std::string Finding::*column) {
  size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, (finding.*column).size());
  return width;
}

int64_t count(const std::vector<Finding>& findings, Level level) {
  return std::count_if(findings.begin(), findings.end(),
                       [&](const Finding& f) { return f.level == level; });
}

std::string counted(int64_t number, const char* noun) {
  return format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

/// "lckv can train here; 2 warnings, 1 part missing"
std::string conclusion(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    if (!finding.needed) continue;
    text += format("{}{} {}", text.empty() ? "lckv cannot train here: " : "; ", finding.group,
                   finding.name);
  }
  if (text.empty()) text = "lckv can train here";
  const int64_t warnings = count(findings, Level::kWarn), absent = count(findings, Level::kMissing);
  if (warnings > 0) text += "; " + counted(warnings, "warning");
  if (absent > 0) text += "; " + counted(absent, "part") + " missing";
  return text + "\n";
}

Json numbers_of(const Finding& finding) {
  Json json = Json::object();
  for (const auto& [name, value] : finding.numbers) {
    json[name] = std::isfinite(value) ? Json(value) : Json(nullptr);
  }
  return json;
}

}  // namespace

std::string to_text(const std::vector<Finding>& findings) {
  const size_t groups = widest(findings, &Finding::group), names = widest(findings, &Finding::name);
  std::string text, group;
  for (const Finding& f : findings) {
    text += format("{:<7}  {:<{}}  {:<{}}  {}\n", name(f.level), f.group == group ? "" : f.group,
                   groups, f.name, names, f.value);
    group = f.group;
    if (f.action.empty()) continue;
    text += format("{:<{}}-> {}\n", "", 7 + 2 + groups + 2 + names + 2, f.action);
  }
  return text + conclusion(findings);
}

std::string to_json(const std::vector<Finding>& findings) {
  Json lines = Json::array();
  for (const Finding& finding : findings) {
    lines.push_back({{"group", finding.group},
                     {"name", finding.name},
                     {"level", name(finding.level)},
                     {"needed", finding.needed},
                     {"value", finding.value},
                     {"action", finding.action},
                     {"numbers", numbers_of(finding)}});
  }
  const Json json = {{"can_train", can_train(findings)}, {"findings", lines}};
  // Names of files need not be UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lckv::doctor
