#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/config/keys.h"

namespace lckv::config {
namespace {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;  // clang 14 does not deduce it by itself

/// The shortest text that reads back as the same number, with a point: YAML 1.1 readers take
/// "1e-08" for text.
std::string number_text(double value) {
  std::string text = format("{}", value);
  if (!std::isfinite(value) || text.find('.') != std::string::npos) return text;
  text.insert(std::min(text.find('e'), text.size()), ".0");
  return text;
}

std::string list_text(const std::vector<std::string>& items) {
  std::string text;
  for (const std::string& item : items) text += (text.empty() ? "" : ", ") + quoted(item);
  return "[" + text + "]";
}

std::string map_text(const TextMap& map) {
  std::string text;
  for (const auto& [name, value] : map) {
    text += (text.empty() ? "" : ", ") + quoted(name) + ": " + quoted(value);
  }
  return "{" + text + "}";
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

bool Range::holds(double value) const {
  const bool above = excludes_min ? value > min : value >= min;
  const bool below = excludes_max ? value < max : value <= max;
  return above && below && std::isfinite(value);
}

std::string Range::text() const {
  const bool has_min = std::isfinite(min);
  const bool has_max = std::isfinite(max);
  // whole bounds are printed without an exponent
  const auto bound = [](double b) {
    return b == std::floor(b) ? format("{:.0f}", b) : format("{}", b);
  };
  if (has_min && has_max) {
    return format(" in {}{}, {}{}", excludes_min ? '(' : '[', bound(min), bound(max),
                  excludes_max ? ')' : ']');
  }
  if (has_min) return format(" {} {}", excludes_min ? ">" : ">=", bound(min));
  if (has_max) return format(" {} {}", excludes_max ? "<" : "<=", bound(max));
  return "";
}

std::string expectation(const Key& key) {
  const bool nullable = key.need == Need::kNullable;
  const std::string or_null = nullable ? " or null" : "";
  const bool filled = key.need != Need::kOptional;
  return std::visit(
      Overloaded{
          [&](std::string*) { return (filled ? "text that is not empty" : "text") + or_null; },
          [&](std::vector<std::string>*) { return std::string("a text or a list of texts"); },
          [&](TextMap*) { return std::string("a map of names to texts"); },
          [&](int64_t*) { return "an integer" + key.range.text() + or_null; },
          [&](uint64_t*) { return std::string("an integer in [0, 18446744073709551615]"); },
          [&](double*) { return "a number" + key.range.text(); },
          [&](bool*) { return std::string("true or false"); },
          [&](std::optional<int64_t>*) { return "an integer" + key.range.text() + or_null; },
          [&](const Choice& choice) { return "one of " + join(choice.words); },
          [&](const IntegerOrAuto&) { return "an integer" + key.range.text() + " or auto"; },
      },
      key.field);
}

std::string value_text(const Key& key) {
  const bool nullable = key.need == Need::kNullable;
  return std::visit(
      Overloaded{
          [&](std::string* text) { return nullable && text->empty() ? "null" : quoted(*text); },
          [](std::vector<std::string>* list) { return list_text(*list); },
          [](TextMap* map) { return map_text(*map); },
          [](int64_t* number) { return std::to_string(*number); },
          [](uint64_t* number) { return std::to_string(*number); },
          [](double* number) { return number_text(*number); },
          [](bool* flag) { return std::string(*flag ? "true" : "false"); },
          [](std::optional<int64_t>* number) {
            return *number ? std::to_string(**number) : std::string("null");
          },
          [](const Choice& choice) { return choice.get(); },
          [](const IntegerOrAuto& field) {
            return *field.number == 0 ? std::string("auto") : std::to_string(*field.number);
          },
      },
      key.field);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

}  // namespace lckv::config
