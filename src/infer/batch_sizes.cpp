#include "lckv/infer/batch_sizes.h"

#include <algorithm>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/infer/admission.h"

namespace lckv::infer {

namespace {

// Several prompts share a forward up to so many tokens; more gain nothing, and take memory.
constexpr int64_t kPromptRows = 1024;

/// The largest need of `batch` samples, as if the largest requests came together.
int64_t pages_for(std::span<const Request> requests, int64_t batch, int64_t page_tokens) {
  std::vector<const Request*> order;
  for (const Request& request : requests) order.push_back(&request);
  std::stable_sort(order.begin(), order.end(), [&](const Request* a, const Request* b) {
    return footprint(*a, page_tokens).most_tokens > footprint(*b, page_tokens).most_tokens;
  });
  int64_t pages = 0;
  for (const Request* request : order) {
    const int64_t samples = std::min(batch, request->samples);
    if (samples == 0) break;
    pages += footprint(*request, page_tokens).pages(samples, samples < request->samples);
    batch -= samples;
  }
  return pages;
}

}  // namespace

BatchSizes batch_sizes(std::span<const Request> requests, const Prefill& prefill, int64_t batch) {
  LCKV_CHECK(!requests.empty() && batch > 0, "sizes of an empty batch");
  BatchSizes sizes;
  int64_t samples = 0, prompt_rows = 0;
  bool prompts_wait = false;
  for (const Request& request : requests) {
    const Footprint f = footprint(request, sizes.page_tokens);
    samples += request.samples;
    prompts_wait |= request.samples > 1;
    sizes.most_tokens = std::max(sizes.most_tokens, f.most_tokens);
    sizes.least_pages = std::max(sizes.least_pages, f.pages(1, request.samples > 1));
    const int64_t chunk = prefill.tokens_at_once(f.prompt_tokens);
    sizes.chunk_tokens = std::max(sizes.chunk_tokens, chunk);
    prompt_rows += chunk;
  }
  sizes.batch = std::min(batch, samples);
  sizes.sequences = sizes.batch + (prompts_wait ? 1 : 0);
  sizes.pages = std::max(sizes.least_pages, pages_for(requests, sizes.batch, sizes.page_tokens));
  sizes.rows = std::max({sizes.sequences, sizes.chunk_tokens, std::min(prompt_rows, kPromptRows)});
  return sizes;
}

}  // namespace lckv::infer
