#include "lckv/eval/python_random.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <unordered_set>

#include "lckv/base/error.h"

namespace lckv::eval {

namespace {

constexpr size_t kWords = 624;
constexpr size_t kShift = 397;

/// Up to this population CPython's sample() moves the chosen items out of a list; above it, it
/// remembers them in a set.
size_t largest_pool(size_t k) {
  size_t table = 0;
  if (k > 5) {
    for (table = 1; table < 3 * k;) table *= 4;
  }
  return 21 + table;
}

}  // namespace

PythonRandom::PythonRandom(uint64_t seed) : used_(kWords) {
  state_[0] = 19650218u;
  for (uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
  // init_by_array; the key is the seed's words, the lowest first.
  const std::array<uint32_t, 2> key = {static_cast<uint32_t>(seed),
                                       static_cast<uint32_t>(seed >> 32)};
  const uint32_t keys = key[1] == 0 ? 1 : 2;
  size_t i = 1;
  const auto advance = [&] {
    if (++i < kWords) return;
    state_[0] = state_[kWords - 1];
    i = 1;
  };
  for (uint32_t step = 0; step < kWords; ++step) {
    const uint32_t j = step % keys;
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + key[j] + j;
    advance();
  }
  for (size_t step = 1; step < kWords; ++step) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) -
                static_cast<uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

void PythonRandom::refill() {
  for (size_t i = 0; i < kWords; ++i) {
    const uint32_t y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kWords] & 0x7fffffffu);
    state_[i] = state_[(i + kShift) % kWords] ^ (y >> 1) ^ ((y & 1u) != 0 ? 0x9908b0dfu : 0u);
  }
  used_ = 0;
}

uint32_t PythonRandom::next() {
  if (used_ == kWords) refill();
  uint32_t y = state_[used_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

double PythonRandom::uniform() {
  const uint32_t high = next() >> 5, low = next() >> 6;
  return (high * 67108864.0 + low) * (1.0 / 9007199254740992.0);
}

size_t PythonRandom::below(size_t n) {
  LCKV_CHECK(n > 0 && n <= UINT32_MAX, "a range of 1 to 2^32 - 1");
  const int count = std::bit_width(n);
  size_t drawn = bits(count);
  while (drawn >= n) drawn = bits(count);
  return drawn;
}

std::vector<size_t> PythonRandom::sample(size_t n, size_t k) {
  LCKV_CHECK(k <= n, "a sample no larger than the population");
  std::vector<size_t> chosen;
  if (n <= largest_pool(k)) {
    std::vector<size_t> pool(n);
    std::iota(pool.begin(), pool.end(), size_t{0});
    for (size_t left = n; left > n - k; --left) {
      const size_t j = below(left);
      chosen.push_back(pool[j]);
      pool[j] = pool[left - 1];
    }
    return chosen;
  }
  std::unordered_set<size_t> seen;
  while (chosen.size() < k) {
    const size_t j = below(n);
    if (seen.insert(j).second) chosen.push_back(j);
  }
  return chosen;
}

}  // namespace lckv::eval
