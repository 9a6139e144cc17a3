#include "lckv/base/text.h"
#include "lckv/report/html.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

/// The runs that have a config.yaml.
struct Configured {
  std::vector<Column> columns;
  std::vector<ConfigTexts> texts;
};

Configured configured(const Runs& runs) {
  Configured found;
  const std::vector<Column> columns = run_columns(runs);
  for (size_t i = 0; i < runs.size(); ++i) {
    if (runs[i].config_texts.empty()) continue;
    found.columns.push_back(columns[i]);
    found.texts.push_back(runs[i].config_texts);
  }
  return found;
}

std::string difference_table(const Configured& runs) {
  Table table{"Key", runs.columns, {}, true};
  for (const ConfigDifference& difference : config_differences(runs.texts)) {
    Row row{difference.key, {}, false};
    for (const std::string& value : difference.values) row.cells.push_back({value, ""});
    table.rows.push_back(std::move(row));
  }
  if (table.rows.empty()) return "<p>The runs have equal configurations.</p>";
  return "<p>Keys in which the runs differ.</p>" + table_html(table);
}

/// All of it, folded.
std::string whole_config(const Column& run, const ConfigTexts& texts) {
  std::string lines;
  for (const auto& [key, value] : texts) lines += key + ": " + value + "\n";
  return format(
      "<details><summary>All {} keys of {}</summary><pre class=\"scroll\" "
      "tabindex=\"0\">{}</pre></details>\n",
      texts.size(), escape_html(run.text), escape_html(lines));
}

}  // namespace

Section config_section(const PageInputs& page) {
  const Configured runs = configured(page.runs);
  if (runs.texts.empty()) return {"Configuration", "", "no run has a config.yaml"};
  std::string html = runs.texts.size() > 1 ? difference_table(runs)
                                           : "<p>No differences: there is one run with a "
                                             "config.yaml.</p>";
  for (size_t i = 0; i < runs.texts.size(); ++i) {
    html += whole_config(runs.columns[i], runs.texts[i]);
  }
  return {"Configuration", html, ""};
}

}  // namespace lckv::report
