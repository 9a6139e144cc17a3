#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/axis.h"

namespace lckv::report {

namespace {

struct Unit {
  double size;
  const char* text;
};

Unit unit_for(double largest) {
  if (largest >= 1e12) return {1e12, " T"};
  if (largest >= 1e9) return {1e9, " G"};
  if (largest >= 1e6) return {1e6, " M"};
  if (largest >= 1e4) return {1e3, " k"};
  return {1, ""};
}

/// "-4" with a minus sign of the width of a digit.
std::string with_minus(std::string text) {
  if (text.starts_with('-')) text.replace(0, 1, "\u2212");
  return text;
}

/// Digits behind the point that tell multiples of `step` apart.
int decimals_of(double step) {
  return std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 12);
}

std::string scientific(double value) {
  const double exponent = std::floor(std::log10(std::abs(value)) + 1e-9);
  const double digits = value / std::pow(10, exponent);
  std::string power = "10<sup>" + with_minus(format("{:.0f}", exponent)) + "</sup>";
  if (std::abs(digits - 1) < 1e-6) return power;
  return with_minus(format("{:.3g}", digits)) + "\u00b7" + power;
}

/// Ticks of a logarithmic axis differ in size: each with its own digits.
std::string log_tick(double value) {
  if (value < 0.999e-3 || value >= 0.999e5) return scientific(value);
  return format("{:.4g}", value);
}

}  // namespace

std::vector<std::string> tick_texts(const Axis& axis) {
  std::vector<std::string> texts;
  if (axis.ticks.empty()) return texts;
  const double largest = std::max(std::abs(axis.ticks.front()), std::abs(axis.ticks.back()));
  const Unit unit = unit_for(largest);
  const double step = axis.ticks.size() > 1 ? axis.ticks[1] - axis.ticks[0] : largest;
  for (const double tick : axis.ticks) {
    if (axis.kind == ScaleKind::kLog) {
      texts.push_back(log_tick(tick));
    } else if (largest < 1e-3 && tick != 0) {
      texts.push_back(scientific(tick));
    } else if (tick == 0) {
      texts.push_back("0");
    } else {
      const int decimals = decimals_of(step / unit.size);
      texts.push_back(with_minus(format("{:.{}f}", tick / unit.size, decimals)) + unit.text);
    }
  }
  return texts;
}

}  // namespace lckv::report
