#include "lckv/base/stream_hash.h"

#include <xxhash.h>

#include "lckv/base/error.h"

namespace lckv {

struct StreamHash::State {
  XXH3_state_t* xxh =
      XXH3_createState();  // the library asks for an alignment that plain `new` need not give
  State() { LCKV_CHECK(xxh != nullptr && XXH3_64bits_reset(xxh) == XXH_OK, "XXH3 has no memory"); }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

StreamHash::StreamHash() : state_(std::make_unique<State>()) {}
StreamHash::~StreamHash() = default;
StreamHash::StreamHash(StreamHash&&) noexcept = default;
StreamHash& StreamHash::operator=(StreamHash&&) noexcept = default;

void StreamHash::update(const void* bytes, size_t size_bytes) {
  LCKV_CHECK(XXH3_64bits_update(state_->xxh, bytes, size_bytes) == XXH_OK, "XXH3 update failed");
}

uint64_t StreamHash::digest() const { return XXH3_64bits_digest(state_->xxh); }

}  // namespace lckv
