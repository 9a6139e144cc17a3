#include "lckv/data/hf_regex.h"

#include <algorithm>
#include <cctype>

#include "lckv/base/text.h"
#include "lckv/data/unicode_categories.h"

namespace lckv::data {

namespace {

// White_Space of Unicode, which is Oniguruma's \s; PCRE2's has U+180E as well.
constexpr std::string_view kSpaces =
    "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}"
    "\\x{205F}\\x{3000}";

constexpr std::string_view kGroupStarts[] = {"?:", "?=", "?!", "?<=", "?<!", "?>"};
constexpr std::string_view kCaselessStart = "?i:";

constexpr std::string_view kNumbersOfUnicode17 = "\\x{11DE0}-\\x{11DE9}\\x{16FF4}-\\x{16FF6}";

// What ligatures and sharp s fold to: Oniguruma lets one such character match two letters.
constexpr std::string_view kFoldedPairs[] = {"ff", "fi", "fl", "ss", "st"};

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80; }
bool is_ascii_alnum(char c) { return is_ascii(c) && std::isalnum(static_cast<unsigned char>(c)); }

std::string code_point(std::string_view hexadecimal) {
  return std::string("\\x{").append(hexadecimal) + "}";
}

std::string members_of(std::string_view category, std::string_view newer) {
  return std::string("\\p{").append(category).append("}").append(newer);
}

class Translator {
 public:
  explicit Translator(const JsonPlace& place) : place_(place), pattern_(place.text()) {}

  std::string run() {
    while (!at_end()) {
      if (peek() == '\\') {
        outside_class(escape());
      } else if (peek() == '[') {
        whole_class();
      } else if (peek() == '(') {
        group_start();
      } else if (peek() == '{') {
        interval();
      } else if (peek() == '^' || peek() == '$') {
        refuse(format("the anchor {}", peek()));
      } else {
        copy();
      }
    }
    return std::move(out_);
  }

 private:
  /// What an escape stands for: the inside of a class, or its complement, or one character.
  struct Meaning {
    std::string members;
    bool is_set = false;
    bool negated = false;
  };

  bool at_end() const { return at_ == pattern_.size(); }
  char peek() const { return pattern_[at_]; }
  std::string_view rest() const { return std::string_view(pattern_).substr(at_); }
  void copy() { out_ += pattern_[at_++]; }

  [[noreturn]] void refuse(const std::string& what) const {
    place_.refuse_with(format("pattern {}: {} at byte {} is not implemented", pattern_, what, at_));
  }

  Meaning escape() {
    if (at_ + 1 == pattern_.size()) refuse("a \\ at the end");
    const char kind = pattern_[at_ + 1];
    if (kind == 'p' || kind == 'P') return property(kind == 'P');
    if (kind == 'x' || kind == 'u') return {numbered()};
    Meaning meaning = simple_escape(kind);
    at_ += 2;
    return meaning;
  }

  Meaning simple_escape(char kind) const {
    switch (kind) {
      case 's':
      case 'S':
        return {std::string(kSpaces), true, kind == 'S'};
      case 'd':
      case 'D':
        return {members_of("Nd", *newer_characters("Nd")), true, kind == 'D'};
      case 'r':
        return {code_point("D")};
      case 'n':
        return {code_point("A")};
      case 't':
        return {code_point("9")};
      case 'f':
        return {code_point("C")};
      case 'v':
        return {code_point("B")};
      default:
        if (!is_ascii(kind) || is_ascii_alnum(kind)) refuse(format("\\{}", kind));
        return {{'\\', kind}};
    }
  }

  Meaning property(bool negated) {
    const size_t close = rest().find('}');
    if (close == std::string_view::npos || rest().substr(2, 1) != "{") refuse("\\p without {..}");
    const std::string_view name = rest().substr(3, close - 3);
    const auto newer = newer_characters(name);
    if (!newer) refuse(format("the property {}", name));
    Meaning meaning{members_of(name, *newer), true, negated};
    at_ += close + 1;
    return meaning;
  }

  // \x{20AC}, \x41, \u20AC
  std::string numbered() {
    const bool braced = rest().substr(1, 2) == "x{";
    const size_t first = braced ? 3 : 2;
    const size_t size = braced ? rest().find('}') - first : peek_kind() == 'u' ? 4 : 2;
    const std::string digits(rest().size() >= first + size ? rest().substr(first, size) : "");
    const bool sound = !digits.empty() && digits.size() <= 6 &&
                       std::all_of(digits.begin(), digits.end(), [](char c) {
                         return is_ascii(c) && std::isxdigit(static_cast<unsigned char>(c));
                       });
    if (!sound) refuse("a malformed number of a character");
    if (size == 2 && !braced && digits[0] >= '8') refuse("a byte above \\x7F");
    at_ += first + size + (braced ? 1 : 0);
    return code_point(digits);
  }
  char peek_kind() const { return pattern_[at_ + 1]; }

  void outside_class(const Meaning& meaning) {
    if (!meaning.is_set) {
      out_ += meaning.members;
    } else {
      out_.append(meaning.negated ? "[^" : "[").append(meaning.members) += ']';
    }
  }

  void whole_class() {
    copy();
    if (!at_end() && peek() == '^') copy();
    if (!at_end() && peek() == ']') refuse("] at the start of a class");
    bool after_set = true;  // where - is a character
    while (!at_end() && peek() != ']') after_set = class_member(after_set);
    if (at_end()) refuse("a class without end");
    copy();
  }

  /// Whether the member was a set.
  bool class_member(bool after_set) {
    if (peek() == '[') refuse("a class inside a class");
    if (rest().starts_with("&&")) refuse("an intersection of classes");
    if (peek() == '-' && (after_set || rest().starts_with("-]"))) {
      out_ += "\\-";
      ++at_;
      return after_set;
    }
    if (peek() != '\\') {
      copy();
      return false;
    }
    const Meaning meaning = escape();
    if (meaning.negated) refuse("a complement inside a class");
    out_ += meaning.members;
    return meaning.is_set;
  }

  void group_start() {
    const std::string_view inside = rest().substr(1);
    if (inside.starts_with(kCaselessStart)) {
      caseless_group();
    } else if (!inside.starts_with('?')) {
      copy();
    } else {
      const auto* const start =
          std::find_if(std::begin(kGroupStarts), std::end(kGroupStarts),
                       [&](std::string_view s) { return inside.starts_with(s); });
      if (start == std::end(kGroupStarts)) refuse(format("({}", inside.substr(0, 2)));
      out_.append("(").append(*start);
      at_ += 1 + start->size();
    }
  }

  // Only that in which one character never matches several letters.
  void caseless_group() {
    const size_t begin = 1 + kCaselessStart.size();
    const std::string_view body = rest().substr(begin, rest().find(')') - begin);
    const auto may_fold = [&](std::string_view pair) { return body.find(pair) != body.npos; };
    if (!std::all_of(body.begin(), body.end(), is_ascii) ||
        body.find_first_of("(\\+*{ABCDEFGHIJKLMNOPQRSTUVWXYZ") != body.npos ||
        std::any_of(std::begin(kFoldedPairs), std::end(kFoldedPairs), may_fold)) {
      refuse(format("(?i:{})", body));
    }
    out_.append("(").append(kCaselessStart);
    at_ += begin;
  }

  // {2}, {2,}, {2,3}, {,3}
  void interval() {
    const size_t close = rest().find('}');
    const std::string_view body = rest().substr(1, close == std::string_view::npos ? 0 : close - 1);
    const size_t comma = body.find(',');
    const auto is_number = [](std::string_view digits) {
      return std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    const std::string_view low = body.substr(0, comma);
    const std::string_view high = comma == body.npos ? low : body.substr(comma + 1);
    if ((low.empty() && high.empty()) || !is_number(low) || !is_number(high)) {
      refuse("a { that is no interval");
    }
    const std::string_view after = rest().substr(close + 1);
    if (after.starts_with('+') || (after.starts_with('?') && comma == body.npos)) {
      refuse("a quantifier of an interval");
    }
    out_.append("{")
        .append(low.empty() ? "0" : low)
        .append(body.substr(std::min(comma, body.size()))) += '}';
    at_ += close + 1;
  }

  const JsonPlace& place_;
  std::string pattern_;
  std::string out_;
  size_t at_ = 0;
};

std::string translated(const std::string& pattern) {
  const nlohmann::json value = pattern;
  return pcre2_of_hf_regex(JsonPlace(value, "built-in pattern"));
}

}  // namespace

std::string pcre2_of_hf_regex(const JsonPlace& place) { return Translator(place).run(); }

std::string gpt2_pattern() {
  return translated(
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)");
}

std::string number_pattern() {
  return "[" + members_of("N", *newer_characters("N")).append(kNumbersOfUnicode17) + "]";
}

}  // namespace lckv::data
