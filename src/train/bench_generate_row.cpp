#include <cmath>

#include "lckv/train/bench_generate.h"

namespace lckv::train {

Statistic statistic(const std::vector<double>& values) {
  const auto n = double(values.size());
  if (values.empty()) return {};
  double sum = 0, squares = 0;
  for (const double value : values) sum += value;
  for (const double value : values) squares += (value - sum / n) * (value - sum / n);
  return {sum / n, values.size() > 1 ? std::sqrt(squares / (n - 1)) : 0};
}

namespace {

template <class Value>
Statistic of_samples(const GenerateRow& row, const Value& value) {
  std::vector<double> values;
  for (const GenerateSample& sample : row.samples) values.push_back(value(sample));
  return statistic(values);
}

}  // namespace

int64_t GenerateRow::encoded_tokens() const {
  return (test.shares_prompt ? 1 : batch) * test.prompt_tokens;
}
Statistic GenerateRow::elapsed_s() const {
  return of_samples(*this, [](const auto& s) { return s.total_s(); });
}
Statistic GenerateRow::total_per_s() const {
  return of_samples(*this, [&](const auto& s) { return double(total_tokens()) / s.total_s(); });
}
Statistic GenerateRow::output_per_s() const {
  return of_samples(*this, [&](const auto& s) { return double(output_tokens()) / s.total_s(); });
}
Statistic GenerateRow::prefill_per_s() const {
  if (test.prompt_tokens == 0) return {};
  return of_samples(*this, [&](const auto& s) { return double(encoded_tokens()) / s.prompt_s; });
}
Statistic GenerateRow::decode_per_s() const {
  if (test.steps() == 0) return {};
  return of_samples(*this,
                    [&](const auto& s) { return double(batch * test.steps()) / s.decode_s; });
}
Statistic GenerateRow::first_s() const {
  return of_samples(*this, [](const auto& s) { return s.prompt_s; });
}
Statistic GenerateRow::step_s() const {
  if (test.steps() == 0) return {};
  return of_samples(*this, [&](const auto& s) { return s.decode_s / double(test.steps()); });
}
double GenerateRow::bytes_per_s() const {
  return test.steps() == 0 ? 0 : double(traffic.total_bytes()) / step_s().mean;
}

}  // namespace lckv::train
