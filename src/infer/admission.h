#pragma once

#include <cstdint>
#include <map>

#include "lckv/infer/request.h"

namespace lckv::infer {

/// What a request takes of the cache at its longest, in pages of layers that keep all tokens.
struct Footprint {
  int64_t prompt_tokens = 0;
  int64_t most_tokens = 0;  // with those that are generated; the last of them needs no place
  int64_t page_tokens = 1;

  /// Of `samples` sequences that share the full pages of their prompt; and of the prompt itself
  /// while it waits to be forked again, for the last sample it becomes its own.
  int64_t pages(int64_t samples, bool prompt_waits) const;
};
Footprint footprint(const Request& request, int64_t page_tokens);

/// Sets aside places and pages for requests as long as they run, all that they may come to need: a
/// sequence that has begun never lacks a page. Bookkeeping alone.
class Admission {
 public:
  ///   places   samples at once
  Admission(int64_t places, int64_t pages, int64_t page_tokens)
      : free_places_(places), free_pages_(pages), page_tokens_(page_tokens) {}

  /// Begins as many more samples of a request as fit, of those that wait for it, and returns their
  /// number.
  int64_t begin(size_t number, const Request& request, int64_t waiting);
  /// A sample of it has ended.
  void end(size_t number);

  bool is_empty() const { return held_.empty(); }
  int64_t free_places() const { return free_places_; }
  int64_t free_pages() const { return free_pages_; }

 private:
  struct Held {
    int64_t samples = 0;
    bool prompt_waits = false;
    Footprint footprint;
  };

  int64_t free_places_, free_pages_, page_tokens_;
  std::map<size_t, Held> held_;  // by the request's number
};

}  // namespace lckv::infer
