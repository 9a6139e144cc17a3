#include <algorithm>

#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/train/bench_generate.h"
#include "lckv/train/bench_generate_records.h"

namespace lckv::train {

namespace {

/// "132.19 ± 0.55", "" of nothing.
std::string with_deviation(const Statistic& value, double factor = 1) {
  if (value.mean <= 0) return "";
  return format("{:.2f} ± {:.2f}", factor * value.mean, factor * value.stddev);
}

/// Left, or right, of so many columns; "±" is one of them.
std::string padded(const std::string& text, size_t width, bool right) {
  const auto columns = static_cast<size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
  const std::string space(width > columns ? width - columns : 0, ' ');
  return right ? space + text : text + space;
}

struct Column {
  std::string title;
  size_t width;
  bool right = true;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {
    for (Column& column : columns_) column.width = std::max(column.width, column.title.size());
  }
  std::string head() const {
    std::vector<std::string> titles;
    std::string rule = "|";
    for (const Column& column : columns_) {
      titles.push_back(column.title);
      rule += " " + std::string(column.width - 1, '-') + (column.right ? ":" : "-") + " |";
    }
    return row(titles) + rule + "\n";
  }
  std::string row(const std::vector<std::string>& cells) const {
    std::string line = "|";
    for (size_t i = 0; i < columns_.size(); ++i) {
      line += " " + padded(cells[i], columns_[i].width, columns_[i].right) + " |";
    }
    return line + "\n";
  }

 private:
  std::vector<Column> columns_;
};

/// The file's name without folder and extension.
std::string short_name(const std::string& file) {
  const size_t slash = file.rfind('/');
  const std::string last = slash == std::string::npos ? file : file.substr(slash + 1);
  return last.substr(0, last.rfind('.'));
}

/// Of what names a row: config, layout, test.
std::vector<Column> naming_columns(const BenchGenerateSettings& settings) {
  std::vector<Column> columns = {
      {"config", 0, false}, {"layer_types", 0, false}, {"test", 0, false}};
  for (const GenerateSubject& subject : settings.subjects) {
    columns[0].width = std::max(columns[0].width, short_name(subject.config).size());
    columns[1].width = std::max(columns[1].width, subject.layout().size());
  }
  for (const GenerateTest& test : settings.tests) {
    columns[2].width = std::max(columns[2].width, test.label().size());
  }
  return columns;
}

Table plan_table(const BenchGenerateSettings& settings) {
  std::vector<Column> columns = naming_columns(settings);
  for (const char* const title :
       {"batch", "predicted", "of llama", "weights", "keys, values", "activations, logits"}) {
    columns.push_back({title, 9});
  }
  return Table(columns);
}

/// Over the plain Llama's of the same config and test; "" without one.
std::string batch_ratio(const GeneratePlan& plan, const std::vector<GeneratePlan>& plans,
                        const BenchGenerateSettings& settings) {
  for (const GeneratePlan& other : plans) {
    const GenerateSubject& subject = settings.subjects[other.subject];
    if (!subject.is_plain_llama() || other.test.label() != plan.test.label() ||
        subject.config != settings.subjects[plan.subject].config) {
      continue;
    }
    return format("{:.2f}x", double(plan.planned_batch) / double(other.planned_batch));
  }
  return "";
}

std::string plan_text(const std::vector<GeneratePlan>& plans,
                      const BenchGenerateSettings& settings) {
  if (plans.empty()) return "";
  const Table table = plan_table(settings);
  std::string text = format(
      "Largest batches in {} bytes ({}), planned with the allocator's own numbers; predicted: "
      "floor((memory - weights - reserve) / (tokens x KV bytes per token)).\n\n{}",
      with_thousands(plans.front().memory_bytes), human_bytes(double(plans.front().memory_bytes)),
      table.head());
  for (const GeneratePlan& plan : plans) {
    const GenerateSubject& subject = settings.subjects[plan.subject];
    text += table.row(
        {short_name(subject.config), subject.layout(), plan.test.label(),
         format("{}", plan.planned_batch), format("{}", plan.predicted_batch),
         batch_ratio(plan, plans, settings), human_bytes(double(plan.memory.weights_bytes)),
         human_bytes(double(plan.memory.kv_bytes)), human_bytes(double(plan.memory.other_bytes))});
  }
  return text + "\n";
}

Table row_table(const BenchGenerateSettings& settings) {
  std::vector<Column> columns = naming_columns(settings);
  columns.push_back({"batch", 6});
  for (const char* const title : {"t/s", "output t/s", "prefill t/s", "decode t/s"}) {
    columns.push_back({title, 18});
  }
  for (const char* const title : {"TTFT ms", "TPOT ms"}) columns.push_back({title, 16});
  for (const char* const title : {"KV planned", "KV used", "memory"})
    columns.push_back({title, 10});
  columns.push_back({"GB/s", 7});
  columns.push_back({"of rate", 7});
  return Table(columns);
}

/// Of what is printed above the rows.
std::string header_text(const GenerateMachine& machine, const BenchGenerateSettings& settings) {
  return format(
      "lckv {}; {}; {} threads; {}; random weights, resident; prefill {}, {} repetitions; memory "
      "rate {:.1f} GB/s (copied or read, in this run)\n\n",
      program_version(), machine.backend, machine.threads, name(settings.dtype), settings.prefill,
      settings.repetitions, machine.bytes_per_s / 1e9);
}

constexpr auto kLegend =
    "t/s: prompt and output tokens of all sequences over the time of both, as llama-bench counts; "
    "mean ± standard deviation of the repetitions. output t/s: output tokens over the same time. "
    "pp, tg: random tokens, logits computed, nothing chosen. pp+tg: the paper's x+y; every token "
    "is "
    "the likeliest one, chosen on the device (the paper samples at temperature 1.0, top_p 0.9). "
    "pps: one prompt for all sequences, encoded once. TTFT: until every sequence has its first "
    "token. GB/s: weights, keys and values that a decoding step must read (written bytes and "
    "activations not counted), over the step's time; of rate: over the memory rate, above 100 % "
    "where caches hold them. memory: planned, of weights, cache, activations and logits.\n";

}  // namespace

std::string GenerateWriter::begin(const GenerateMachine& machine,
                                  const std::vector<GeneratePlan>& plans) {
  machine_ = machine;
  if (format_ != GenerateFormat::kMarkdown) return "";
  return header_text(machine, settings_) + plan_text(plans, settings_) +
         row_table(settings_).head();
}

std::string GenerateWriter::row(const GenerateRow& row) {
  const bool is_first = is_first_;
  is_first_ = false;
  if (format_ != GenerateFormat::kMarkdown) {
    return record_text(format_, row, machine_, is_first);
  }
  const double rate = row.bytes_per_s();
  return row_table(settings_).row(
      {short_name(row.subject.config), row.subject.layout(), row.test.label(),
       format("{}", row.batch), with_deviation(row.total_per_s()),
       with_deviation(row.output_per_s()), with_deviation(row.prefill_per_s()),
       with_deviation(row.decode_per_s()), with_deviation(row.first_s(), 1e3),
       with_deviation(row.step_s(), 1e3), human_bytes(double(row.memory.kv_bytes)),
       human_bytes(double(row.kv_used_bytes)), human_bytes(double(row.memory.total_bytes())),
       rate > 0 ? format("{:.2f}", rate / 1e9) : "",
       rate > 0 ? format("{:.1f} %", 100 * rate / machine_.bytes_per_s) : ""});
}

std::string GenerateWriter::end(const std::vector<GenerateRow>& rows) const {
  if (format_ == GenerateFormat::kJson) return is_first_ ? "[]\n" : "\n]\n";
  if (format_ != GenerateFormat::kMarkdown) return "";
  const std::string comparison = compare_layouts(rows);
  return std::string("\n") + kLegend + (comparison.empty() ? "" : "\n" + comparison);
}

std::string GenerateWriter::plans_alone(const std::vector<GeneratePlan>& plans) const {
  if (format_ == GenerateFormat::kMarkdown) return plan_text(plans, settings_);
  std::string text;
  for (const GeneratePlan& plan : plans) {
    text += record_text(format_, plan, settings_, text.empty());
  }
  return format_ == GenerateFormat::kJson ? (text.empty() ? "[" : text) + "\n]\n" : text;
}

}  // namespace lckv::train
