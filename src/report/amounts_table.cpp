#include "lckv/report/amounts_table.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "lckv/base/text.h"

namespace lckv::report {

namespace {

double largest(const std::vector<Amounts>& rows) {
  double most = 0;
  for (const Amounts& row : rows) {
    for (const double value : row.values) {
      if (std::isfinite(value)) most = std::max(most, value);
    }
  }
  return most;
}

}  // namespace

std::string amounts_table(const std::string& corner, const Runs& runs,
                          const std::vector<Amounts>& rows, const std::vector<double>& wholes,
                          const std::function<std::string(double)>& text) {
  const double most = largest(rows);
  Table table{corner, run_columns(runs), {}, false};
  for (const Amounts& amounts : rows) {
    Row row{amounts.label, {}, amounts.is_total};
    for (size_t i = 0; i < runs.size(); ++i) {
      const double value = amounts.values[i];
      Cell cell{.text = std::isfinite(value) ? text(value) : kNothing, .detail = ""};
      if (std::isfinite(value) && wholes[i] > 0) {
        cell.detail = format("{:.1f} %", 100 * value / wholes[i]);
      }
      if (std::isfinite(value) && most > 0) cell.bar = std::max(0.0, value / most);
      row.cells.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

std::vector<std::string> kinds_between(const Runs& runs, const std::string& prefix,
                                       const std::string& suffix) {
  std::map<std::string, double> sizes;
  for (const RunFiles& run : runs) {
    for (const auto& [name, series] : run.metrics.series) {
      if (name.size() <= prefix.size() + suffix.size()) continue;
      if (!name.starts_with(prefix) || !name.ends_with(suffix)) continue;
      const double last = last_finite(series);
      double& size = sizes[name.substr(prefix.size(), name.size() - prefix.size() - suffix.size())];
      if (std::isfinite(last)) size = std::max(size, last);
    }
  }
  std::vector<std::string> kinds;
  kinds.reserve(sizes.size());
  for (const auto& [kind, size] : sizes) kinds.push_back(kind);
  std::stable_sort(kinds.begin(), kinds.end(),
                   [&](const std::string& a, const std::string& b) { return sizes[a] > sizes[b]; });
  return kinds;
}

std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

}  // namespace lckv::report
