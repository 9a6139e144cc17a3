#include "lckv/data/word_cache.h"

#include <algorithm>

namespace lckv::data {

bool WordCache::holds(const Slot& slot, std::string_view word, uint64_t hash) const {
  return slot.hash == hash && slot.text_bytes == word.size() &&
         texts_.compare(slot.text_begin, slot.text_bytes, word) == 0;
}

size_t WordCache::place_of(std::string_view word, uint64_t hash) const {
  size_t place = hash % kSlots;
  while (slots_[place].text_bytes != 0 && !holds(slots_[place], word, hash)) {
    place = (place + 1) % kSlots;
  }
  return place;
}

std::optional<std::span<const int32_t>> WordCache::find(std::string_view word,
                                                        uint64_t hash) const {
  const Slot& slot = slots_[place_of(word, hash)];
  if (slot.text_bytes == 0) return std::nullopt;
  return std::span(ids_).subspan(slot.ids_begin, slot.id_count);
}

void WordCache::put(std::string_view word, uint64_t hash, std::span<const int32_t> ids) {
  if (2 * (size_ + 1) > kSlots) {
    std::ranges::fill(slots_, Slot{});
    texts_.clear();
    ids_.clear();
    size_ = 0;
  }
  slots_[place_of(word, hash)] = {
      hash, static_cast<uint32_t>(texts_.size()), static_cast<uint32_t>(ids_.size()),
      static_cast<uint16_t>(word.size()), static_cast<uint16_t>(ids.size())};
  texts_ += word;
  ids_.insert(ids_.end(), ids.begin(), ids.end());
  ++size_;
}

}  // namespace lckv::data
