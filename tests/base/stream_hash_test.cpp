#include "lckv/base/stream_hash.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/random.h"

namespace lckv {
namespace {

TEST(StreamHash, OfPiecesIsTheHashOfTheWhole) {
  const CounterRng rng(7, 0);
  for (const size_t size_bytes :
       {0u, 1u, 240u, 241u, 100'000u}) {  // XXH3 changes its method at 240
    std::vector<uint8_t> bytes(size_bytes);
    for (size_t i = 0; i < size_bytes; ++i) bytes[i] = static_cast<uint8_t>(rng.bits(i));
    StreamHash hash;
    for (size_t at = 0, piece = 0; at < size_bytes; at += piece) {
      piece = std::min<size_t>(1 + rng.below(at, 1000), size_bytes - at);
      hash.update(bytes.data() + at, piece);
    }
    EXPECT_EQ(hash.digest(), hash_bytes(bytes.data(), size_bytes)) << size_bytes;
  }
}

}  // namespace
}  // namespace lckv
