#include "comparison.h"

#include <cmath>
#include <limits>

#include "lckv/base/text.h"
#include "lckv/tensor/transfer.h"

namespace lckv::golden {

void Report::compare(const std::string& name, const Shape& shape, std::vector<double> ours,
                     const std::vector<double>& golden) {
  LCKV_CHECK(ours.size() == golden.size(),
             format("{}: {} values, golden has {}", name, ours.size(), golden.size()));
  double difference = 0, magnitude = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    if (!std::isfinite(ours[i]) || !std::isfinite(golden[i]))
      difference = std::numeric_limits<double>::infinity();
    difference = std::max(difference, std::abs(ours[i] - golden[i]));
    magnitude = std::max(magnitude, std::abs(golden[i]));
  }
  comparisons_.push_back({name, magnitude > 0 ? difference / magnitude : difference});
  dumped_.push_back({name, shape, std::move(ours)});
}

Comparison Report::worst(const std::string& prefix) const {
  Comparison worst{"-", 0};
  for (const Comparison& comparison : comparisons_) {
    if (comparison.name.starts_with(prefix) && comparison.error >= worst.error) worst = comparison;
  }
  return worst;
}

std::vector<double> to_doubles(ConstView given) {
  const OnHost on_host(given);
  const ConstView view = on_host.view();
  return with_float_type(view.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* data = view.data<T>();
    std::vector<double> values(static_cast<size_t>(view.numel()));
    for (size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::is_same_v<T, BFloat16>) {
        values[i] = static_cast<double>(static_cast<float>(data[i]));
      } else {
        values[i] = static_cast<double>(data[i]);
      }
    }
    return values;
  });
}

}  // namespace lckv::golden
