#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace lckv::eval {

/// The generator of Python's module `random` seeded with an integer, number for number as CPython
/// draws them (MT19937, Matsumoto & Nishimura 1998).
class PythonRandom {
 public:
  explicit PythonRandom(uint64_t seed);

  /// getrandbits(count); count in [1, 32].
  uint32_t bits(int count) { return next() >> (32 - count); }
  /// random(): a multiple of 2^-53 in [0, 1).
  double uniform();
  /// randrange(n); n in [1, 2^32).
  size_t below(size_t n);
  /// shuffle(values).
  template <class T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  /// sample(range(n), k): k different indices, k <= n.
  std::vector<size_t> sample(size_t n, size_t k);

 private:
  uint32_t next();
  void refill();

  std::array<uint32_t, 624> state_;
  size_t used_;  // numbers of state_ that have been handed out
};

}  // namespace lckv::eval
