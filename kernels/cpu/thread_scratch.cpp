#include "lckv/kernels/cpu/thread_scratch.h"

#include <atomic>
#include <cstdlib>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::ops::cpu {
namespace {

constexpr int64_t kAlignment = 64;
std::atomic<int64_t> held_bytes{0};

}  // namespace

void ThreadScratch::Free::operator()(void* memory) const { std::free(memory); }

ThreadScratch::~ThreadScratch() { held_bytes -= bytes_; }

void* ThreadScratch::reserve(int64_t bytes) {
  const int64_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (rounded <= bytes_) return memory_.get();
  memory_.reset();
  held_bytes -= bytes_;
  bytes_ = 0;
  memory_.reset(std::aligned_alloc(static_cast<size_t>(kAlignment), static_cast<size_t>(rounded)));
  if (!memory_) {
    throw IoError(
        format("no memory for {} of kernel scratch", human_bytes(static_cast<double>(rounded))));
  }
  bytes_ = rounded;
  held_bytes += bytes_;
  return memory_.get();
}

int64_t thread_scratch_bytes() { return held_bytes; }

}  // namespace lckv::ops::cpu
