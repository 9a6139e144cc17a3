#pragma once

#include <limits>
#include <string>
#include <vector>

namespace lckv::report {

/// What a table shows of one value. Texts are escaped by table_html().
struct Cell {
  std::string text;
  std::string detail;  // smaller, behind it
  bool strong = false;
  double bar = std::numeric_limits<double>::quiet_NaN();  // length of a bar below it, 0..1
};

/// A value of the column: its text, and the colour of a dot before it ("" for none).
struct Column {
  std::string text;
  std::string colour;
};

struct Row {
  std::string label;
  std::vector<Cell> cells;  // one per column
  bool is_total = false;    // set off by a line
};

struct Table {
  std::string corner;  // what the labels are
  std::vector<Column> columns;
  std::vector<Row> rows;
  bool is_text = false;  // cells are texts: aligned left, in the font of code
};

/// A table that scrolls sideways where it is too wide, its first column staying.
std::string table_html(const Table& table);

}  // namespace lckv::report
