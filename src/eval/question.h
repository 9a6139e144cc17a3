#pragma once

#include <optional>
#include <string>
#include <vector>

namespace lckv::eval {

/// A text to be continued and the continuations to choose from.
struct Question {
  std::string query;
  std::vector<std::string>
      choices;  // at least two, none empty; a blank stands before each when it is scored
  std::optional<size_t> gold;  // index of the right one, where it is known
  std::string kind;            // results are also given per kind; "" is a kind like any other
  std::string place;           // "questions.jsonl:12", for messages
};

/// One JSON object per line: "query" (text), "choices" (list of texts), optionally "gold" (index
/// from 0) and "kind" (text); other fields are passed over, blank lines too. The file may be
/// compressed (.gz, .zst).
///
/// Throws DataError naming file and line: not UTF-8, not JSON, a field that is missing or of the
/// wrong type, too few choices, an empty one, gold outside the choices, no question at all. Throws
/// IoError when the file cannot be read.
std::vector<Question> read_questions(const std::string& path);

}  // namespace lckv::eval
