#include "lckv/eval/text_edit.h"

namespace lckv::eval {

void replace_all(std::string& text, std::string_view find, std::string_view put) {
  std::string result;
  size_t at = 0;
  for (size_t hit = text.find(find); hit != std::string::npos; hit = text.find(find, at)) {
    result.append(text, at, hit - at).append(put);
    at = hit + find.size();
  }
  text = result.append(text, at);
}

std::string listed(const std::vector<std::string>& texts) {
  std::string list;
  for (const std::string& text : texts) list += (list.empty() ? "" : ", ") + text;
  return list;
}

}  // namespace lckv::eval
