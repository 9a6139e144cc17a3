#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lckv/base/random.h"

namespace lckv::world {

/// The random choices of one story, one after the other: a pure function of (seed, name).
class Draw {
 public:
  Draw(uint64_t seed, std::string_view name) : rng_(seed, hash_text(name)) {}

  /// Uniform in [0, bound); bound > 0.
  size_t below(size_t bound) { return static_cast<size_t>(rng_.below(next_++, bound)); }

  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }

  /// Puts a uniform random order on `items`.
  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (size_t left = items.size(); left > 1; --left)
      std::swap(items[left - 1], items[below(left)]);
  }

  /// `count` different entries of `from`, which has at least that many.
  template <typename T>
  std::vector<T> sample(std::vector<T> from, size_t count) {
    shuffle(from);
    from.resize(count);
    return from;
  }

 private:
  CounterRng rng_;
  uint64_t next_ = 0;
};

}  // namespace lckv::world
