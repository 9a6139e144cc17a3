#include "lckv/eval/question.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/line_reader.h"

namespace lckv::eval {

namespace {

using nlohmann::json;

/// The fields of one line, refused with its place.
class Record {
 public:
  Record(std::string_view line, std::string place) : place_(std::move(place)) {
    try {
      fields_ = json::parse(line);
    } catch (const json::exception& error) {
      refuse(format("not JSON: {}", error.what()));
    }
    if (!fields_.is_object()) refuse(format("expected a JSON object, got {}", fields_.type_name()));
  }

  const json& required(const char* name) const {
    if (!fields_.contains(name)) refuse(format("field '{}' is missing", name));
    return fields_[name];
  }

  std::string text(const char* name, const json& value) const {
    if (!value.is_string()) {
      refuse(format("field '{}': expected a text, got {}", name, value.type_name()));
    }
    return value.get<std::string>();
  }

  std::vector<std::string> choices() const {
    const json& list = required("choices");
    if (!list.is_array()) {
      refuse(format("field 'choices': expected a list, got {}", list.type_name()));
    }
    if (list.size() < 2)
      refuse(format("field 'choices': {} choices, expected at least 2", list.size()));
    std::vector<std::string> choices;
    for (const json& choice : list) {
      choices.push_back(text("choices", choice));
      if (choices.back().empty())
        refuse(format("field 'choices': choice {} is empty", choices.size() - 1));
    }
    return choices;
  }

  std::optional<size_t> gold(size_t choices) const {
    if (!fields_.contains("gold")) return std::nullopt;
    const json& value = fields_["gold"];
    if (!value.is_number_integer()) {
      refuse(format("field 'gold': expected an index, got {}", value.dump()));
    }
    if (value < 0 || value >= choices) {
      refuse(format("field 'gold': {} is outside the choices [0, {})", value.dump(), choices));
    }
    return value.get<size_t>();
  }

  std::string kind() const { return fields_.contains("kind") ? text("kind", fields_["kind"]) : ""; }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(format("{}: {}", place_, what));
  }

  std::string place_;
  json fields_;
};

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

Question read_question(std::string_view line, const std::string& place) {
  const Record record(line, place);
  Question question;
  question.query = record.text("query", record.required("query"));
  question.choices = record.choices();
  question.gold = record.gold(question.choices.size());
  question.kind = record.kind();
  question.place = place;
  return question;
}

}  // namespace

std::vector<Question> read_questions(const std::string& path) {
  data::LineReader lines(path);
  std::vector<Question> questions;
  while (!lines.at_end()) {
    const std::string_view line = lines.next(0);
    if (is_blank(line)) continue;
    questions.push_back(read_question(line, format("{}:{}", path, lines.line())));
  }
  if (questions.empty()) throw DataError(path + ": holds no question");
  return questions;
}

}  // namespace lckv::eval
