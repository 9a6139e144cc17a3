#include <algorithm>
#include <numeric>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/infer/cached_model.h"

namespace lckv::infer {

namespace {

std::vector<int32_t> order_of(size_t count) {
  std::vector<int32_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  return order;
}

}  // namespace

void CachedModel::stage_pages(Stream& stream) {
  for (size_t i = 0; i < pages_.size(); ++i) {
    StagedPages& pages = pages_[i];
    const PageTable& table = cache_.tables()[i];
    if (pages.version == table.version()) continue;
    pages.numbers.begin();
    const StagedNumbers::Piece piece = pages.numbers.take(cache_.rows() * table.pages_of_one());
    std::copy_n(table.entries().begin(), piece.host.size(), piece.host.begin());
    pages.numbers.send(stream);
    pages.device = piece.device.reshape({cache_.rows(), table.pages_of_one()});
    pages.version = table.version();
  }
}

void CachedModel::stage_rows(RowNumbers& numbers, std::span<const RowOrigin> rows) {
  const auto count = static_cast<int64_t>(rows.size());
  const SinkWindow& streaming = cache_.options().streaming;
  const auto fill = [&](ConstView& view, const auto& value) {
    const StagedNumbers::Piece piece = numbers_->take(count);
    for (size_t n = 0; n < rows.size(); ++n) piece.host[n] = static_cast<int32_t>(value(rows[n]));
    view = piece.device;
  };
  fill(numbers.sequence, [](const RowOrigin& row) { return row.sequence; });
  fill(numbers.positions, [](const RowOrigin& row) { return row.position; });
  if (streaming.is_on()) {
    fill(numbers.sink_positions,
         [&](const RowOrigin& row) { return sink_position(streaming, row.position); });
  }
  numbers.rules.assign(rules_.size(), {});
  for (size_t i = 0; i < rules_.size(); ++i) {
    const auto keys = [&](const RowOrigin& row) {
      return visible_keys(rules_[i], streaming, row.position, row.cached);
    };
    fill(numbers.rules[i].begin, [&](const RowOrigin& row) { return keys(row).begin; });
    fill(numbers.rules[i].end, [&](const RowOrigin& row) { return keys(row).end; });
    if (!streaming.is_on()) continue;
    fill(numbers.rules[i].sink_end, [&](const RowOrigin& row) { return keys(row).sink_end; });
  }
}

/// Works out every number of the forward and sends them.
void CachedModel::stage(Stream& stream, std::span<const NewTokens> entries,
                        std::span<const int32_t> wanted) {
  std::vector<RowOrigin> rows;
  std::vector<int32_t> tokens;
  batch_ = {};
  for (const NewTokens& entry : entries) {
    const int64_t first = cache_.length(entry.sequence) - static_cast<int64_t>(entry.tokens.size());
    const int64_t cached = cache_.computed(entry.sequence);
    LCKV_CHECK(first >= cached, format("{} new tokens of {}, {} of them computed before",
                                       entry.tokens.size(), cache_.length(entry.sequence), cached));
    if (cached > 0) batch_.fresh = false;
    batch_.entry_rows.push_back(std::ssize(entry.tokens));
    for (size_t t = 0; t < entry.tokens.size(); ++t) {
      rows.push_back({entry.sequence, first + static_cast<int64_t>(t), cached});
      tokens.push_back(entry.tokens[t]);
    }
  }
  batch_.rows = static_cast<int64_t>(rows.size());
  LCKV_CHECK(batch_.rows > 0 && batch_.rows <= options_.most_rows &&
                 static_cast<int64_t>(wanted.size()) <= options_.most_wanted,
             format("{} new tokens, {} wanted, of a model for {} and {}", rows.size(),
                    wanted.size(), options_.most_rows, options_.most_wanted));
  numbers_->begin();
  const auto put = [&](std::span<const int32_t> values) {
    const StagedNumbers::Piece piece = numbers_->take(static_cast<int64_t>(values.size()));
    std::copy(values.begin(), values.end(), piece.host.begin());
    return piece.device;
  };
  batch_.tokens = put(tokens);
  const std::vector<int32_t> order = order_of(rows.size());
  batch_.row_order = put(order);
  for (const PageTable& table : cache_.tables()) {
    std::vector<int32_t> slots;
    for (const RowOrigin& row : rows) slots.push_back(table.slot(row.sequence, row.position));
    batch_.slots.push_back(put(slots));
  }
  stage_rows(batch_.all, rows);
  LCKV_CHECK(std::is_sorted(wanted.begin(), wanted.end()) &&
                 (wanted.empty() || (wanted.front() >= 0 && wanted.back() < batch_.rows)),
             format("wanted rows of {}", batch_.rows));
  batch_.selects = !std::equal(wanted.begin(), wanted.end(), order.begin(), order.end());
  if (batch_.selects && !wanted.empty()) {
    std::vector<RowOrigin> selected;
    for (const int32_t row : wanted) selected.push_back(rows[static_cast<size_t>(row)]);
    batch_.wanted = put(wanted);
    batch_.wanted_order = put(order_of(wanted.size()));
    stage_rows(batch_.selected, selected);
  }
  numbers_->send(stream);
  stage_pages(stream);
}

}  // namespace lckv::infer
