#include "lckv/infer/page_table.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::infer {

PageTable::PageTable(const Sizes& sizes, const Retention& retention)
    : sizes_(sizes),
      retention_(retention),
      pages_of_one_((sizes.most_tokens + sizes.page_tokens - 1) / sizes.page_tokens),
      entries_(static_cast<size_t>(sizes.sequences * pages_of_one_), kNoPage),
      owners_(static_cast<size_t>(sizes.pages), 0) {
  for (int64_t page = sizes.pages; page-- > 0;) free_.push_back(static_cast<int32_t>(page));
}

int32_t& PageTable::entry(int64_t sequence, int64_t token) {
  return entries_[static_cast<size_t>(sequence * pages_of_one_ + token / sizes_.page_tokens)];
}
const int32_t& PageTable::entry(int64_t sequence, int64_t token) const {
  return entries_[static_cast<size_t>(sequence * pages_of_one_ + token / sizes_.page_tokens)];
}

int64_t PageTable::pages_needed(int64_t sequence, int64_t begin, int64_t end) const {
  int64_t needed = 0;
  const int64_t P = sizes_.page_tokens;
  for (int64_t token = begin / P * P; token < end; token += P) {
    if (entry(sequence, token) == kNoPage) ++needed;
  }
  return needed;
}

int32_t PageTable::take() {
  LCKV_CHECK(!free_.empty(), format("all {} pages are taken", sizes_.pages));
  const int32_t page = free_.back();
  free_.pop_back();
  owners_[static_cast<size_t>(page)] = 1;
  ++version_;
  return page;
}

void PageTable::give_back(int32_t& entry) {
  if (entry == kNoPage) return;
  if (--owners_[static_cast<size_t>(entry)] == 0) free_.push_back(entry);
  entry = kNoPage;
  ++version_;
}

void PageTable::grow(int64_t sequence, int64_t begin, int64_t end) {
  const int64_t P = sizes_.page_tokens;
  for (int64_t token = begin / P * P; token < end; token += P) {
    int32_t& page = entry(sequence, token);
    if (page == kNoPage) page = take();
  }
}

void PageTable::share(int64_t sequence, int64_t of, int64_t tokens) {
  for (int64_t token = 0; token < tokens; token += sizes_.page_tokens) {
    int32_t& page = entry(sequence, token);
    LCKV_CHECK(page == kNoPage, format("sequence {} has pages already", sequence));
    page = entry(of, token);
    if (page != kNoPage) ++owners_[static_cast<size_t>(page)];
  }
  ++version_;
}

bool PageTable::is_shared(int64_t sequence, int64_t token) const {
  const int32_t page = entry(sequence, token);
  return page != kNoPage && owners_[static_cast<size_t>(page)] > 1;
}

int32_t PageTable::separate(int64_t sequence, int64_t token) {
  int32_t& page = entry(sequence, token);
  if (!is_shared(sequence, token)) return kNoPage;
  const int32_t old = page;
  --owners_[static_cast<size_t>(old)];
  page = take();
  return old;
}

void PageTable::forget(int64_t sequence, int64_t length) {
  if (retention_.keeps_all()) return;
  const int64_t P = sizes_.page_tokens;
  const int64_t first_kept = length - retention_.recent_tokens;
  for (int64_t token = (retention_.sinks + P - 1) / P * P; token + P <= first_kept; token += P) {
    give_back(entry(sequence, token));
  }
}

void PageTable::truncate(int64_t sequence, int64_t length, int64_t from) {
  const int64_t P = sizes_.page_tokens;
  for (int64_t token = (length + P - 1) / P * P; token < from; token += P) {
    give_back(entry(sequence, token));
  }
}

int32_t PageTable::slot(int64_t sequence, int64_t token) const {
  const int32_t page = entry(sequence, token);
  LCKV_CHECK(page != kNoPage, format("token {} of sequence {} has no page", token, sequence));
  return static_cast<int32_t>(page * sizes_.page_tokens + token % sizes_.page_tokens);
}

}  // namespace lckv::infer
