#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace lckv::comm {

/// A text of at most N - 1 characters, cut there, in N bytes that may travel as they are.
template <size_t N>
class FixedText {
 public:
  FixedText() = default;
  FixedText(std::string_view text) {  // NOLINT: a text is a text
    std::copy_n(text.begin(), std::min(text.size(), N - 1), bytes_.begin());
  }
  FixedText(const char* text) : FixedText(std::string_view(text)) {}         // NOLINT
  FixedText(const std::string& text) : FixedText(std::string_view(text)) {}  // NOLINT
  std::string_view view() const { return bytes_.data(); }
  std::string string() const { return bytes_.data(); }
  bool operator==(const FixedText& other) const { return view() == other.view(); }

 private:
  std::array<char, N> bytes_{};
};

}  // namespace lckv::comm
