#include "lckv/train/nonfinite_report.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <tuple>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::train {

namespace {

std::string to_lines(const std::vector<NonFinite>& found, bool is_source) {
  std::string lines = is_source ? "1\n" : "0\n";
  for (const NonFinite& one : found) {
    lines += format("{} {} {} {} {}\n", static_cast<int>(one.kind), one.count, one.first, one.value,
                    one.parameter);
  }
  return lines;
}

std::vector<NonFinite> from_lines(std::istream& lines, int rank) {
  std::vector<NonFinite> found;
  int kind = 0;
  for (NonFinite one; lines >> kind >> one.count >> one.first >> one.value;) {
    one.kind = static_cast<NonFiniteKind>(kind);
    one.rank = rank;
    lines.get();  // the separator
    std::getline(lines, one.parameter);
    found.push_back(one);
  }
  return found;
}

/// Sorts findings as a report lists them.
class BlameOrder {
 public:
  explicit BlameOrder(const model::ParameterTable& table) {
    for (const model::Parameter& p : table.parameters) {
      places_.emplace(p.name, static_cast<int>(places_.size()));
    }
  }
  auto key(const NonFinite& one) const {
    const int place = one.parameter.empty() ? 0 : places_.at(one.parameter);
    return std::tuple(one.kind, one.kind == NonFiniteKind::kGradient ? -place : place, one.rank);
  }

 private:
  std::map<std::string, int> places_;
};

/// Adds a finding that is not before those already there.
void add(NonFiniteReport& report, const NonFinite& one, const NonFinite* previous) {
  int64_t& tensors = report.tensors[static_cast<size_t>(one.kind)];
  const bool known =
      previous != nullptr && previous->kind == one.kind && previous->parameter == one.parameter;
  if (!known) ++tensors;
  if (tensors > NonFiniteReport::kListed) return;
  if (known) {
    ++report.found.back().ranks;
  } else {
    report.found.push_back(one);
  }
}

}  // namespace

NonFiniteReport gather_nonfinite(comm::Communicator& world, const model::ParameterTable& table,
                                 const std::vector<NonFinite>& found, bool is_source) {
  NonFiniteReport report;
  std::vector<NonFinite> all;
  const std::vector<std::string> texts = comm::gather_texts(world, to_lines(found, is_source));
  for (int rank = 0; rank < world.size(); ++rank) {
    std::istringstream lines(texts[static_cast<size_t>(rank)]);
    int source = 0;
    lines >> source;
    if (source != 0) report.sources.push_back(rank);
    const std::vector<NonFinite> theirs = from_lines(lines, rank);
    all.insert(all.end(), theirs.begin(), theirs.end());
  }
  const BlameOrder order(table);
  std::sort(all.begin(), all.end(),
            [&](const NonFinite& a, const NonFinite& b) { return order.key(a) < order.key(b); });
  for (size_t i = 0; i < all.size(); ++i) add(report, all[i], i > 0 ? &all[i - 1] : nullptr);
  return report;
}

namespace {

/// "rank 2", "rank 2 and 3 more"
std::string ranks_text(int first, int64_t count) {
  return count > 1 ? format("rank {} and {} more", first, count - 1) : format("rank {}", first);
}

/// Whose gradients they were.
std::string source_text(const NonFiniteReport& report) {
  if (report.sources.empty()) return ", finite on every rank before the sum over copies";
  return ", from " +
         ranks_text(report.sources.front(), static_cast<int64_t>(report.sources.size()));
}

std::string kind_text(const NonFiniteReport& report, const NonFinite& first) {
  if (first.kind == NonFiniteKind::kLoss) {
    return format("loss {} on {}", first.value, ranks_text(first.rank, first.ranks));
  }
  const bool is_gradient = first.kind == NonFiniteKind::kGradient;
  const int64_t tensors = report.tensors[static_cast<size_t>(first.kind)];
  const std::string which = tensors == 1 ? ""
                                         : format("in {} tensors, {} first ", tensors,
                                                  is_gradient ? "backwards the" : "the");
  const std::string held = is_gradient ? "" : ", " + ranks_text(first.rank, first.ranks);
  return format("{} {}{} ({} element{}, the first {} at {}{}){}", name(first.kind), which,
                first.parameter, first.count, first.count == 1 ? "" : "s", first.value, first.first,
                held, is_gradient ? source_text(report) : "");
}

}  // namespace

std::string to_text(int64_t step, const NonFiniteReport& report) {
  std::string text;
  for (size_t i = 0; i < report.found.size(); ++i) {
    if (i > 0 && report.found[i].kind == report.found[i - 1].kind) continue;
    text += (text.empty() ? "" : "; ") + kind_text(report, report.found[i]);
  }
  if (text.empty()) text = "a sum overflowed, every element is finite";
  return format("step {}: not finite: {}", step, text);
}

}  // namespace lckv::train
