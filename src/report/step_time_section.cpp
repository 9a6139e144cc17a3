#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/amounts_table.h"
#include "lckv/report/html.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

const std::string kPrefix = "time/", kSuffix = "_s";

/// "time/matmul_s" of "matmul".
std::string name_of(const std::string& kind) { return format("{}{}{}", kPrefix, kind, kSuffix); }

/// The last step of the run that was profiled, -1 when none was.
double profiled_step(const RunFiles& run, const std::vector<std::string>& kinds) {
  double step = -1;
  for (const std::string& kind : kinds) {
    const Series& series = run.metrics.get(name_of(kind));
    if (!series.empty()) step = std::max(step, series.x.back());
  }
  return step;
}

double value_at(const Series& series, double step) {
  const auto at = std::lower_bound(series.x.begin(), series.x.end(), step) - series.x.begin();
  const bool is_there = static_cast<size_t>(at) < series.size() && series.x[size_t(at)] == step;
  return is_there ? series.y[size_t(at)] : NAN;
}

std::string time_text(double seconds) {
  return seconds < 1 ? format("{:.1f} ms", 1e3 * seconds) : format("{:.3f} s", seconds);
}

std::string steps_note(const Runs& runs, const std::vector<double>& steps) {
  std::string texts;
  for (size_t i = 0; i < runs.size(); ++i) {
    if (steps[i] < 0) continue;
    texts += format("{}{}: step {}", texts.empty() ? "" : "; ", runs[i].label,
                    with_thousands(int64_t(steps[i])));
  }
  return "<p class=\"note\">One step that was profiled. " + escape_html(texts) + ".</p>";
}

}  // namespace

Section step_time_section(const PageInputs& page) {
  const char* const title = "Where the time of a step goes";
  const std::vector<std::string> kinds = kinds_between(page.runs, kPrefix, kSuffix);
  if (kinds.empty()) return {title, "", "no run has \"time/..._s\" in its metrics.jsonl"};
  std::vector<double> steps, sums(page.runs.size(), 0.0);
  for (const RunFiles& run : page.runs) steps.push_back(profiled_step(run, kinds));
  std::vector<Amounts> rows;
  for (const std::string& kind : kinds) {
    Amounts amounts{in_words(kind), {}, false};
    for (size_t i = 0; i < page.runs.size(); ++i) {
      const double seconds = value_at(page.runs[i].metrics.get(name_of(kind)), steps[i]);
      amounts.values.push_back(seconds);
      if (std::isfinite(seconds)) sums[i] += seconds;
    }
    rows.push_back(std::move(amounts));
  }
  rows.push_back({"sum", {}, true});
  for (const double sum : sums) rows.back().values.push_back(sum > 0 ? sum : NAN);

  return {title,
          amounts_table("Kind of work", page.runs, rows, sums, time_text) +
              steps_note(page.runs, steps),
          ""};
}

}  // namespace lckv::report
