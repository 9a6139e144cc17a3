#include "lckv/eval/wikitext_detokenizer.h"

#include <array>
#include <utility>

#include "lckv/eval/code_points.h"
#include "lckv/eval/text_edit.h"

namespace lckv::eval {

namespace {

using Replacement = std::pair<std::string_view, std::string_view>;

constexpr std::array<Replacement, 9> kMarks = {{{" @-@ ", "-"},
                                                {" @,@ ", ","},
                                                {" @.@ ", "."},
                                                {" : ", ": "},
                                                {" ; ", "; "},
                                                {" . ", ". "},
                                                {" ! ", "! "},
                                                {" ? ", "? "},
                                                {" , ", ", "}}};
constexpr std::array<std::pair<char, char>, 5> kBrackets = {
    {{'(', ')'}, {'[', ']'}, {'{', '}'}, {'"', '"'}, {'\'', '\''}}};
constexpr std::array<Replacement, 8> kRest = {{{"= = = =", "===="},
                                               {"= = =", "==="},
                                               {"= =", "=="},
                                               {" \u00B0 ", "\u00B0"},
                                               {" \n", "\n"},
                                               {"\n ", "\n"},
                                               {" N ", " 1 "},
                                               {" 's", "'s"}}};

/// "/' 7/" becomes "/'[0-9]/", letter for letter: the reference puts its pattern where it meant the
/// digit.
void write_digit_pattern(std::string& text) {
  constexpr std::string_view kOpen = "/' ", kPut = "/'[0-9]/";
  for (size_t at = text.find(kOpen); at != std::string::npos; at = text.find(kOpen, at)) {
    const size_t digit = at + kOpen.size();
    const bool matches = digit + 1 < text.size() && text[digit] >= '0' && text[digit] <= '9' &&
                         text[digit + 1] == '/';
    if (matches) text.replace(at, kOpen.size() + 2, kPut);
    at += matches ? kPut.size() : 1;
  }
}

/// White space after `open` and before the next `close` goes away.
void tighten(std::string& text, char open, char close) {
  std::string result;
  size_t at = 0;
  while (true) {
    const size_t begin = text.find(open, at);
    const size_t end = begin == std::string::npos ? begin : text.find(close, begin + 1);
    if (end == std::string::npos) break;
    result.append(text, at, begin + 1 - at);
    result.append(strip(std::string_view(text).substr(begin + 1, end - begin - 1))) += close;
    at = end + 1;
  }
  text = result.append(text, at);
}

}  // namespace

std::string detokenize_wikitext(std::string_view page) {
  std::string text(page);
  replace_all(text, "s '", "s'");
  write_digit_pattern(text);
  for (const auto& [find, put] : kMarks) replace_all(text, find, put);
  for (const auto& [open, close] : kBrackets) tighten(text, open, close);
  for (const auto& [find, put] : kRest) replace_all(text, find, put);
  return text;
}

}  // namespace lckv::eval
