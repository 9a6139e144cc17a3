#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/amounts_table.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

const std::string kPrefix = "memory/planned/", kSuffix = "_bytes";

Amounts last_values(const Runs& runs, const std::string& name, const std::string& label,
                    bool is_total) {
  Amounts amounts{label, {}, is_total};
  for (const RunFiles& run : runs) amounts.values.push_back(last_finite(run.metrics.get(name)));
  return amounts;
}

bool any(const Amounts& amounts) {
  for (const double value : amounts.values) {
    if (std::isfinite(value)) return true;
  }
  return false;
}

}  // namespace

Section memory_section(const PageInputs& page) {
  const char* const title = "Memory, planned and measured";
  const Amounts planned =
      last_values(page.runs, "memory/planned_bytes", "planned in all", /*is_total=*/true);
  const Amounts measured =
      last_values(page.runs, "memory/measured_bytes", "measured", /*is_total=*/false);
  std::vector<Amounts> rows;
  for (const std::string& kind : kinds_between(page.runs, kPrefix, kSuffix)) {
    rows.push_back(
        last_values(page.runs, format("{}{}{}", kPrefix, kind, kSuffix), in_words(kind), false));
  }
  if (rows.empty() && !any(planned) && !any(measured)) {
    return {title, "", "no run has \"memory/planned_bytes\" in its metrics.jsonl"};
  }
  if (any(planned)) rows.push_back(planned);
  if (any(measured)) rows.push_back(measured);
  const std::string note =
      "<p class=\"note\">Of one rank, the one that needs most. Per cent are of what was "
      "planned.</p>";
  return {title,
          amounts_table("Kind of memory", page.runs, rows, planned.values, human_bytes) + note, ""};
}

}  // namespace lckv::report
