#include "lckv/test_support/shell_words.h"

namespace lckv::test {

std::vector<std::string> words_of(std::string_view command) {
  std::vector<std::string> words;
  std::string word;
  bool inside = false;
  char quote = 0;
  const auto end_word = [&] {
    if (inside) words.push_back(word);
    word.clear();
    inside = false;
  };
  for (const char c : command) {
    if (quote == 0 && (c == '>' || c == '|' || c == ';')) break;
    if (quote != 0 ? c == quote : c == '"' || c == '\'') {
      quote = quote == 0 ? c : 0;
      inside = true;
    } else if (quote == 0 && c == ' ') {
      end_word();
    } else {
      word += c;
      inside = true;
    }
  }
  end_word();
  return words;
}

}  // namespace lckv::test
