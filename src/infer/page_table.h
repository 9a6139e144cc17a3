#pragma once

#include <cstdint>
#include <vector>

#include "lckv/infer/retention.h"

namespace lckv::infer {

/// Which pages hold the tokens of which sequence: bookkeeping alone, for all layers that keep the
/// same tokens. A page may belong to several sequences with the same beginning; it is free when
/// none has it any more.
class PageTable {
 public:
  struct Sizes {
    int64_t pages = 0;
    int64_t page_tokens = 0;
    int64_t sequences = 0;    // rows
    int64_t most_tokens = 0;  // of one sequence
  };
  static constexpr int32_t kNoPage = -1;

  PageTable(const Sizes& sizes, const Retention& retention);

  /// Pages for tokens begin .. end-1 of a sequence that do not have one yet.
  int64_t pages_needed(int64_t sequence, int64_t begin, int64_t end) const;
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }
  int64_t used_pages() const { return sizes_.pages - free_pages(); }
  /// Gives them; there must be enough.
  void grow(int64_t sequence, int64_t begin, int64_t end);
  /// The pages of tokens 0 .. tokens-1 of `of` also belong to `sequence`, which has none; the last
  /// one too when it is not full.
  void share(int64_t sequence, int64_t of, int64_t tokens);
  /// A page of its own in place of a shared one for token `token`: returns the old one, or kNoPage
  /// when the page was its own already.
  int32_t separate(int64_t sequence, int64_t token);
  bool is_shared(int64_t sequence, int64_t token) const;
  /// Gives back what `retention` does not keep of `length` tokens.
  void forget(int64_t sequence, int64_t length);
  /// Gives back what lies behind the first `length` of `from` tokens: whole pages.
  void truncate(int64_t sequence, int64_t length, int64_t from);

  const Retention& retention() const { return retention_; }
  /// Row of the layers' memory where token `token` of the sequence lies.
  int32_t slot(int64_t sequence, int64_t token) const;
  /// [sequences, pages_of_one()], row by row.
  const std::vector<int32_t>& entries() const { return entries_; }
  int64_t pages_of_one() const { return pages_of_one_; }
  /// Changes whenever entries() do.
  int64_t version() const { return version_; }

 private:
  int32_t& entry(int64_t sequence, int64_t token);
  const int32_t& entry(int64_t sequence, int64_t token) const;
  int32_t take();
  void give_back(int32_t& entry);

  Sizes sizes_;
  Retention retention_;
  int64_t pages_of_one_;
  std::vector<int32_t> entries_;
  std::vector<int32_t> free_;    // last one first
  std::vector<int32_t> owners_;  // per page
  int64_t version_ = 0;
};

}  // namespace lckv::infer
