#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lckv {

/// hash_bytes() of data that arrives in pieces: the digest depends on the bytes alone, not on how
/// they were cut. `xxhsum -H3 file` prints the same number.
class StreamHash {
 public:
  StreamHash();
  ~StreamHash();
  StreamHash(StreamHash&&) noexcept;
  StreamHash& operator=(StreamHash&&) noexcept;

  void update(const void* bytes, size_t size_bytes);
  /// Of everything so far; more may follow.
  uint64_t digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lckv
