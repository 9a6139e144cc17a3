#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lckv::data {

/// Tokens of words seen before, in bounded memory: when it is full it forgets them all. For one
/// thread at a time.
class WordCache {
 public:
  static constexpr size_t kMaxWordBytes = 64;  // longer ones hardly come again

  /// Valid until the next put().
  std::optional<std::span<const int32_t>> find(std::string_view word, uint64_t hash) const;
  /// The word is not in it.
  void put(std::string_view word, uint64_t hash, std::span<const int32_t> ids);

 private:
  static constexpr size_t kSlots = size_t{1} << 16;

  struct Slot {
    uint64_t hash = 0;
    uint32_t text_begin = 0;
    uint32_t ids_begin = 0;
    uint16_t text_bytes = 0;  // 0: free
    uint16_t id_count = 0;
  };

  size_t place_of(std::string_view word, uint64_t hash) const;
  bool holds(const Slot& slot, std::string_view word, uint64_t hash) const;

  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
  std::string texts_;
  std::vector<int32_t> ids_;
  size_t size_ = 0;
};

}  // namespace lckv::data
