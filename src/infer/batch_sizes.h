#pragma once

#include <cstdint>
#include <span>

#include "lckv/infer/prefill.h"
#include "lckv/infer/request.h"

namespace lckv::infer {

/// How much is generated at the same time: what memory is planned for.
struct BatchSizes {
  int64_t batch = 1;        // samples
  int64_t sequences = 1;    // of the cache: a prompt may wait beside them for its next samples
  int64_t most_tokens = 1;  // of one sequence
  int64_t page_tokens = 16;
  int64_t pages = 1;         // of layers that keep all tokens
  int64_t least_pages = 1;   // below that some request never fits
  int64_t chunk_tokens = 1;  // of one sequence in one forward
  int64_t rows = 1;          // of one forward
};

/// Of at most `batch` samples at once, in whatever order the requests come.
BatchSizes batch_sizes(std::span<const Request> requests, const Prefill& prefill, int64_t batch);

}  // namespace lckv::infer
