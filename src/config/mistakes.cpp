#include "lckv/config/mistakes.h"

#include <algorithm>
#include <tuple>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::config {

std::string Place::text() const {
  if (mark.line == 0) return name;
  return format("{}:{}:{}", name, mark.line, mark.column);
}

void Mistakes::add(const Place& place, const std::string& path, const std::string& message) {
  mistakes_.push_back({place, path.empty() ? message : path + ": " + message});
  if (!path.empty()) mark_unsound(path);
}

void Mistakes::throw_if_any() const {
  if (mistakes_.empty()) return;
  std::vector<Mistake> sorted = mistakes_;
  const auto rank = [](const Mistake& m) {
    return std::tuple(m.place.source, m.place.mark.line, m.place.mark.column);
  };
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](const Mistake& a, const Mistake& b) { return rank(a) < rank(b); });
  std::string all;
  for (const Mistake& mistake : sorted) {
    all += format("{}{}: {}", all.empty() ? "" : "\n", mistake.place.text(), mistake.text);
  }
  throw ConfigError(all);
}

}  // namespace lckv::config
