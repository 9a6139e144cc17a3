#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace lckv::data {

/// From 64-bit keys to 64-bit values by open addressing, for millions of look-ups a second. The key
/// kNoKey cannot be stored.
class FlatMap {
 public:
  static constexpr uint64_t kNoKey = ~uint64_t{0};

  size_t size() const { return size_; }

  /// Replaces what the key had.
  void set(uint64_t key, uint64_t value) {
    if (2 * (size_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[place_of(key)];
    size_ += slot.key == kNoKey;
    slot = {key, value};
  }

  /// `absent` where the key is not stored.
  uint64_t get(uint64_t key, uint64_t absent) const {
    if (slots_.empty()) return absent;
    const Slot& slot = slots_[place_of(key)];
    return slot.key == key ? slot.value : absent;
  }

 private:
  struct Slot {
    uint64_t key = kNoKey;
    uint64_t value = 0;
  };

  size_t place_of(uint64_t key) const {
    uint64_t mixed = key * 0x9E3779B97F4A7C15u;
    mixed ^= mixed >> 32;
    size_t place = mixed & (slots_.size() - 1);
    while (slots_[place].key != key && slots_[place].key != kNoKey) {
      place = (place + 1) & (slots_.size() - 1);
    }
    return place;
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 16 : 2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.key != kNoKey) slots_[place_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two
  size_t size_ = 0;
};

}  // namespace lckv::data
