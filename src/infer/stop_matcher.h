#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lckv::infer {

/// Finds the end of a text that comes in pieces: where the first of several strings is complete,
/// the longest of those that end there. The text goes up to that string's beginning. What could
/// still become one is held back, at most one byte less than the longest; where the pieces are cut
/// makes no difference.
class StopMatcher {
 public:
  /// Valid UTF-8, not empty; none: everything passes at once.
  explicit StopMatcher(std::vector<std::string> strings) : strings_(std::move(strings)) {}

  /// What is certain to belong to the text; "" after the stop.
  std::string add(std::string_view text);
  /// At the end: what was held back, if no stop came.
  std::string finish();

  bool has_stopped() const { return !word_.empty(); }
  /// The string that was found; "" before.
  const std::string& word() const { return word_; }

 private:
  size_t held_bytes() const;

  std::vector<std::string> strings_;
  std::string held_;  // the longest end of the text that one of them begins with
  std::string word_;
};

}  // namespace lckv::infer
