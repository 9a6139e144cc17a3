#include "lckv/data/token_corpus.h"

#include <algorithm>

#include "lckv/base/error.h"

namespace lckv::data {

TokenCorpus::TokenCorpus(const std::vector<std::string>& paths) : first_token_{0} {
  if (paths.empty()) throw DataError("no token store given");
  stores_.reserve(paths.size());
  for (const std::string& path : paths) {
    const TokenStore& store = stores_.emplace_back(path);
    store.require_tokenizer(tokenizer_info().tokenizer_sha256, paths.front());
    first_token_.push_back(first_token_.back() + store.info().tokens);
  }
}

void TokenCorpus::read(int64_t first, std::span<int32_t> out) const {
  LCKV_CHECK(first >= 0 && first + std::ssize(out) <= token_count(), "read outside the corpus");
  // The last store that starts at or before `first`.
  auto store =
      static_cast<size_t>(std::ranges::upper_bound(first_token_, first) - first_token_.begin()) - 1;
  while (!out.empty()) {
    const int64_t room = first_token_[store + 1] - first;
    const auto part = out.first(static_cast<size_t>(std::min<int64_t>(room, std::ssize(out))));
    stores_[store].read(first - first_token_[store], part);
    first += std::ssize(part);
    out = out.subspan(part.size());
    ++store;
  }
}

std::vector<int64_t> TokenCorpus::document_starts(int64_t begin, int64_t end) const {
  std::vector<int64_t> found;
  for (size_t i = 0; i < stores_.size(); ++i) {
    const int64_t offset = first_token_[i];
    if (first_token_[i + 1] <= begin || offset >= end) continue;
    const std::vector<int64_t>& starts = stores_[i].document_starts();
    const auto documents_end = starts.end() - 1;  // the last entry is the token count
    auto start = std::lower_bound(starts.begin(), documents_end, begin - offset);
    for (; start != documents_end && *start + offset < end; ++start)
      found.push_back(*start + offset);
  }
  return found;
}

}  // namespace lckv::data
