#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace lckv {

/// 64-bit hash of bytes (XXH3): equal on every machine.
uint64_t hash_bytes(const void* bytes, size_t size_bytes);
uint64_t hash_text(std::string_view text);

/// Counter-based random numbers: every number is a pure function of (seed, stream, index), so that
/// any rank can produce any element without producing the ones before it.
///
/// Philox4x32-10, Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3").
class CounterRng {
 public:
  /// `stream` names the sequence: the hash of a tensor's name, an epoch, ...
  CounterRng(uint64_t seed, uint64_t stream) : seed_(seed), stream_(stream) {}

  /// Uniform over all 64-bit values.
  uint64_t bits(uint64_t index) const;

  /// Uniform in [0, 1) with 53 random bits.
  double uniform(uint64_t index) const;

  /// Normal with mean 0 and deviation 1 (Box-Muller in double precision).
  double normal(uint64_t index) const;

  /// Uniform in [0, bound), by multiplication; bound > 0. Bias below bound / 2^64.
  uint64_t below(uint64_t index, uint64_t bound) const;

 private:
  std::array<uint32_t, 4> block(uint64_t counter) const;

  uint64_t seed_;
  uint64_t stream_;
};

/// A bijection of [0, size) onto itself, a pure function of (seed, stream): a shuffle in O(1)
/// memory with O(1) access (a 6-round Feistel network, walked until inside the range).
class Permutation {
 public:
  Permutation(uint64_t size, uint64_t seed, uint64_t stream);
  uint64_t operator()(uint64_t index) const;
  uint64_t size() const { return size_; }

 private:
  uint64_t size_;
  uint64_t key_;
  int half_bits_;
};

}  // namespace lckv
