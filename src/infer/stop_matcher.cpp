#include "lckv/infer/stop_matcher.h"

#include <algorithm>
#include <utility>

namespace lckv::infer {

std::string StopMatcher::add(std::string_view text) {
  std::string certain;
  for (const char byte : text) {
    if (has_stopped()) break;
    held_ += byte;
    for (const std::string& string : strings_) {
      if (held_.ends_with(string) && string.size() > word_.size()) word_ = string;
    }
    const size_t kept = has_stopped() ? word_.size() : held_bytes();
    certain += held_.substr(0, held_.size() - kept);
    held_.erase(0, held_.size() - kept);
  }
  return certain;
}

size_t StopMatcher::held_bytes() const {
  size_t longest = 0;
  for (const std::string& string : strings_) {
    for (size_t size = std::min(string.size() - 1, held_.size()); size > longest; --size) {
      if (held_.ends_with(std::string_view(string).substr(0, size))) longest = size;
    }
  }
  return longest;
}

std::string StopMatcher::finish() {
  std::string rest = std::exchange(held_, "");
  return has_stopped() ? "" : rest;
}

}  // namespace lckv::infer
