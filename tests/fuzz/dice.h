#pragma once

#include <cstddef>
#include <cstdint>
#include <random>

/// libFuzzer's own mutation of bytes.
extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

namespace lckv::fuzz {

/// For mutators, which must do the same for the same seed.
using Dice = std::minstd_rand;

/// 0 .. bound-1.
inline size_t below(Dice& dice, size_t bound) { return dice() % bound; }

}  // namespace lckv::fuzz
