#include "lckv/report/metrics_file.h"

#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/report/json_lines.h"

namespace lckv::report {

namespace {

/// Takes one flat object apart without building it: a long run has millions of numbers.
class RowReader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  using Row = std::vector<std::pair<std::string, double>>;

  /// The row's mistake, nothing when it was read.
  std::optional<std::string> read(const std::string& line) {
    row_.clear();
    mistake_.clear();
    step_.reset();
    depth_ = 0;
    const bool is_whole = nlohmann::json::sax_parse(line, this);
    if (!is_whole) return mistake_;
    if (!step_) return "there is no \"step\"";
    return std::nullopt;
  }
  const Row& row() const { return row_; }
  double step() const { return *step_; }

  bool start_object(size_t) override { return ++depth_ == 1 || refuse("an object"); }
  bool end_object() override { return true; }
  bool key(string_t& name) override {
    name_ = name;
    return true;
  }
  bool null() override { return take(std::numeric_limits<double>::quiet_NaN()); }
  bool number_integer(number_integer_t value) override { return take(double(value)); }
  bool number_unsigned(number_unsigned_t value) override { return take(double(value)); }
  bool number_float(number_float_t value, const string_t&) override { return take(value); }
  bool boolean(bool) override { return refuse("true or false"); }
  bool string(string_t&) override { return refuse("a text"); }
  bool binary(binary_t&) override { return refuse("bytes"); }
  bool start_array(size_t) override { return refuse("a list"); }
  bool end_array() override { return true; }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    mistake_ = not_json(position);
    return false;
  }

 private:
  bool take(double value) {
    if (depth_ == 0) return refuse("a number");
    if (name_ == "step") {
      if (!(value >= 0)) return refuse("not a step");
      step_ = value;
    } else {
      row_.emplace_back(std::move(name_), value);
    }
    return true;
  }
  bool refuse(const char* what) {
    mistake_ = depth_ == 0 ? format("is {}, not an object of numbers", what)
                           : format("\"{}\" is {}, where a number or null belongs", name_, what);
    return false;
  }

  Row row_;
  std::optional<double> step_;
  std::string name_, mistake_;
  int depth_ = 0;
};

}  // namespace

const Series& Metrics::get(const std::string& name) const {
  static const Series kEmpty;
  const auto found = series.find(name);
  return found == series.end() ? kEmpty : found->second;
}

Metrics read_metrics(const std::string& path) {
  Metrics metrics;
  RowReader reader;
  metrics.torn_end = read_json_lines(path, [&](const std::string& line) {
    if (auto mistake = reader.read(line)) return mistake;
    ++metrics.rows;
    for (const auto& [name, value] : reader.row()) metrics.series[name].add(reader.step(), value);
    return std::optional<std::string>();
  });
  for (auto& [name, series] : metrics.series) sort_by_x(series);
  return metrics;
}

}  // namespace lckv::report
