#include "lckv/report/table.h"

#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/html.h"

namespace lckv::report {

namespace {

std::string dot(const std::string& colour) {
  if (colour.empty()) return "";
  return format("<i class=\"disc\" style=\"--c:{}\"></i>", colour);
}

std::string cell_html(const Cell& cell, const Column& column) {
  std::string html = "<td>";
  html += cell.strong ? "<strong>" + escape_html(cell.text) + "</strong>" : escape_html(cell.text);
  if (!cell.detail.empty()) {
    html += format(" <span class=\"detail\">{}</span>", escape_html(cell.detail));
  }
  if (std::isfinite(cell.bar)) {
    html += format("<i class=\"bar\" style=\"--w:{:.2f}%;--c:{}\"></i>", 100 * cell.bar,
                   column.colour.empty() ? "var(--muted)" : column.colour);
  }
  return html + "</td>";
}

}  // namespace

std::string table_html(const Table& table) {
  std::string html = format("<div class=\"scroll\" tabindex=\"0\"><table{}><thead><tr><th>{}</th>",
                            table.is_text ? " class=\"text\"" : "", escape_html(table.corner));
  for (const Column& column : table.columns) {
    html += "<th scope=\"col\">" + dot(column.colour) + escape_html(column.text) + "</th>";
  }
  html += "</tr></thead><tbody>";
  for (const Row& row : table.rows) {
    html += format("<tr{}><th scope=\"row\">{}</th>", row.is_total ? " class=\"total\"" : "",
                   escape_html(row.label));
    for (size_t i = 0; i < row.cells.size(); ++i) html += cell_html(row.cells[i], table.columns[i]);
    html += "</tr>";
  }
  return html + "</tbody></table></div>\n";
}

}  // namespace lckv::report
