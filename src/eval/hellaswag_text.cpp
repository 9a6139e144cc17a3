#include "lckv/eval/hellaswag_text.h"

#include "lckv/eval/code_points.h"
#include "lckv/eval/letter_case.h"
#include "lckv/eval/text_edit.h"

namespace lckv::eval {

namespace {

/// Deletes "[" up to the next "]" where no newline stands between them.
void delete_bracketed(std::string& text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text[at] == '[' ? text.find_first_of("]\n", at) : std::string::npos;
    if (end != std::string::npos && text[end] == ']') {
      at = end + 1;
    } else {
      result += text[at++];
    }
  }
  text = result;
}

}  // namespace

std::string hellaswag_text(std::string_view text) {
  std::string result(strip(text));
  replace_all(result, " [title]", ". ");
  delete_bracketed(result);
  replace_all(result, "  ", " ");
  return result;
}

std::string hellaswag_query(std::string_view activity_label, std::string_view ctx_a,
                            std::string_view ctx_b) {
  return hellaswag_text(std::string(activity_label) + ": " + std::string(ctx_a) + " " +
                        capitalize(ctx_b));
}

}  // namespace lckv::eval
