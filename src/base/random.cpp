#include "lckv/base/random.h"

#include <cmath>
#include <numbers>

#include <xxhash.h>

#include "lckv/base/error.h"

namespace lckv {

namespace {

constexpr int kPhiloxRounds = 10;
constexpr int kFeistelRounds = 6;

uint64_t mix(uint64_t x) {  // the finaliser of SplitMix64
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}

double to_unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace

uint64_t hash_bytes(const void* bytes, size_t size_bytes) { return XXH3_64bits(bytes, size_bytes); }
uint64_t hash_text(std::string_view text) { return hash_bytes(text.data(), text.size()); }

std::array<uint32_t, 4> CounterRng::block(uint64_t counter) const {
  std::array<uint32_t, 4> c = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32),
                               static_cast<uint32_t>(stream_),
                               static_cast<uint32_t>(stream_ >> 32)};
  uint32_t k0 = static_cast<uint32_t>(seed_);
  uint32_t k1 = static_cast<uint32_t>(seed_ >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

uint64_t CounterRng::bits(uint64_t index) const {
  const auto words = block(index >> 1);
  const size_t half = (index & 1) * 2;
  return (uint64_t{words[half + 1]} << 32) | words[half];
}

double CounterRng::uniform(uint64_t index) const { return to_unit(bits(index)); }

double CounterRng::normal(uint64_t index) const {
  // Elements 2i and 2i+1 are the two halves of one Box-Muller pair, from one Philox block.
  const auto words = block(index >> 1);
  const double u = 1.0 - to_unit((uint64_t{words[1]} << 32) | words[0]);  // (0, 1]
  const double angle = 2 * std::numbers::pi * to_unit((uint64_t{words[3]} << 32) | words[2]);
  const double radius = std::sqrt(-2 * std::log(u));
  return radius * ((index & 1) == 0 ? std::cos(angle) : std::sin(angle));
}

uint64_t CounterRng::below(uint64_t index, uint64_t bound) const {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(bits(index)) * bound) >> 64);
}

Permutation::Permutation(uint64_t size, uint64_t seed, uint64_t stream)
    : size_(size), key_(mix(seed ^ mix(stream))), half_bits_(1) {
  LCKV_CHECK(size > 0, "permutation of an empty range");
  while (half_bits_ < 32 && (uint64_t{1} << (2 * half_bits_)) < size) ++half_bits_;
}

uint64_t Permutation::operator()(uint64_t index) const {
  LCKV_CHECK(index < size_, "permutation index outside its range");
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t value = index;
  do {  // cycle walking: the domain is at most four times the range, so four steps on average
    uint64_t left = value >> half_bits_;
    uint64_t right = value & mask;
    for (int round = 0; round < kFeistelRounds; ++round) {
      const uint64_t next = left ^ (mix(key_ ^ mix(right + (uint64_t(round) << 40))) & mask);
      left = right;
      right = next;
    }
    value = (left << half_bits_) | right;
  } while (value >= size_);
  return value;
}

}  // namespace lckv
