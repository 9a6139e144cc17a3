#pragma once

#include <string>
#include <vector>

#include "lckv/report/chart.h"
#include "lckv/report/run_files.h"
#include "lckv/report/table.h"

namespace lckv::report {

using Runs = std::vector<RunFiles>;

/// What curves are drawn over.
enum class Across { kSteps, kTokens };

/// One part of the page. Either html or why_not is set.
struct Section {
  std::string title;
  std::string html;
  std::string why_not;  // one line: what the runs lack
};

/// Numbers the charts of a page.
class ChartIds {
 public:
  int next() { return ++last_; }

 private:
  int last_ = 0;
};

/// What all sections are made from.
struct PageInputs {
  const Runs& runs;
  Across across = Across::kSteps;
  ChartIds& ids;
};

Section headline_section(const PageInputs& page);
Section training_loss_section(const PageInputs& page);
Section validation_section(const PageInputs& page);
Section kv_convergence_section(const PageInputs& page);
Section evaluation_section(const PageInputs& page);
Section optimizer_section(const PageInputs& page);
Section throughput_section(const PageInputs& page);
Section step_time_section(const PageInputs& page);
Section memory_section(const PageInputs& page);
Section plan_section(const PageInputs& page);
Section config_section(const PageInputs& page);
Section health_section(const PageInputs& page);

/// "step", or "tokens": of the x axis.
std::string x_label(Across across);

/// The series of `name`, empty when the run has none; over the tokens trained on up to each step
/// where that is asked for.
Series series_over(const RunFiles& run, const std::string& name, Across across);

/// Steps made what `across` asks for, in place.
void put_over(Series& series, const RunFiles& run, Across across);

/// A column for each run, in its colour.
std::vector<Column> run_columns(const Runs& runs);

/// A chart over steps or tokens, without curves.
Chart empty_chart(const PageInputs& page, const std::string& title, const std::string& y_label);

enum class Values { kRaw, kSmoothed };

/// A curve of `name` for each run that has it.
void add_curves(Chart& chart, const PageInputs& page, const std::string& name,
                const std::string& kind, Stroke stroke, Values values = Values::kRaw);

/// A section of those charts that have points; without any, of why_not.
Section charts_section(const PageInputs& page, const std::string& title, std::vector<Chart> charts,
                       const std::string& why_not);

/// The charts one below the other, or side by side where there is room for two.
std::string charts_html(const PageInputs& page, const std::vector<Chart>& charts);

/// Whether any curve has a finite value to draw.
bool has_points(const Chart& chart);

/// "nothing" texts of cells.
inline constexpr const char* kNothing = "\u2013";

/// The number, or kNothing when it is not finite: "1.4348" with `decimals` digits behind the point.
std::string number_or_nothing(double value, int decimals);

}  // namespace lckv::report
