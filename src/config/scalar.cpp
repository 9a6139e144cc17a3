#include "lckv/config/scalar.h"

#include <charconv>
#include <cmath>

namespace lckv::config {
namespace {

bool is_plain(const Node& node) { return node.kind == Node::Kind::kScalar && !node.quoted; }

template <class Number>
std::optional<Number> parse_whole(const std::string& text) {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

/// A leading 0 means octal to some YAML readers and nothing to others.
bool has_leading_zero(const std::string& text) {
  const size_t first = text.find_first_not_of('-');
  return first != std::string::npos && text[first] == '0' && first + 1 < text.size();
}

template <class Number>
std::optional<Number> parse_digits(const Node& node) {
  if (!is_plain(node) || has_leading_zero(node.text)) return std::nullopt;
  return parse_whole<Number>(node.text);
}

}  // namespace

std::optional<int64_t> parse_integer(const Node& node) { return parse_digits<int64_t>(node); }

std::optional<uint64_t> parse_unsigned(const Node& node) { return parse_digits<uint64_t>(node); }

std::optional<double> parse_number(const Node& node) {
  if (!is_plain(node)) return std::nullopt;
  const std::optional<double> number = parse_whole<double>(node.text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

std::optional<bool> parse_flag(const Node& node) {
  if (!is_plain(node)) return std::nullopt;
  if (node.text == "true") return true;
  if (node.text == "false") return false;
  return std::nullopt;
}

}  // namespace lckv::config
