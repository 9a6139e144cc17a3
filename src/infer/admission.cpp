#include "lckv/infer/admission.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::infer {

int64_t Footprint::pages(int64_t samples, bool prompt_waits) const {
  if (samples == 0 && !prompt_waits) return 0;
  const int64_t shared = prompt_tokens / page_tokens;
  const int64_t all = (most_tokens + page_tokens - 1) / page_tokens;
  const bool has_part = prompt_tokens % page_tokens != 0;
  return shared + samples * (all - shared) + (prompt_waits && has_part ? 1 : 0);
}

Footprint footprint(const Request& request, int64_t page_tokens) {
  const int64_t prompt = std::ssize(request.prompt);
  return {prompt, prompt + request.max_new_tokens - 1, page_tokens};
}

int64_t Admission::begin(size_t number, const Request& request, int64_t waiting) {
  Held held{.footprint = footprint(request, page_tokens_)};
  if (const auto found = held_.find(number); found != held_.end()) held = found->second;
  const int64_t before = held.footprint.pages(held.samples, held.prompt_waits);
  for (int64_t count = std::min(waiting, free_places_); count > 0; --count) {
    const bool waits = count < waiting;
    const int64_t more = held.footprint.pages(held.samples + count, waits) - before;
    if (more > free_pages_) continue;
    held.samples += count;
    held.prompt_waits = waits;
    held_[number] = held;
    free_pages_ -= more;
    free_places_ -= count;
    return count;
  }
  return 0;
}

void Admission::end(size_t number) {
  const auto found = held_.find(number);
  LCKV_CHECK(found != held_.end() && found->second.samples > 0,
             format("request {} has no sample to end", number));
  Held& held = found->second;
  const int64_t before = held.footprint.pages(held.samples, held.prompt_waits);
  --held.samples;
  free_pages_ += before - held.footprint.pages(held.samples, held.prompt_waits);
  ++free_places_;
  if (held.samples == 0 && !held.prompt_waits) held_.erase(found);
}

}  // namespace lckv::infer
