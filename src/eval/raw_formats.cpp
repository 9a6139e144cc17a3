#include "lckv/eval/raw_formats.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/code_points.h"
#include "lckv/eval/hellaswag_text.h"
#include "lckv/eval/text_edit.h"
#include "lckv/eval/wikitext_detokenizer.h"

namespace lckv::eval {

namespace {

void require_choices(const JsonRecord& record, const char* field,
                     const std::vector<std::string>& choices) {
  if (choices.size() < 2) {
    record.refuse_field(field, format("{} choices, expected at least 2", choices.size()));
  }
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].empty()) record.refuse_field(field, format("choice {} is empty", i));
  }
}

Document start(const JsonRecord& record) {
  Document document;
  document.json = record.dump();
  document.place = record.place();
  return document;
}

Document choose(const JsonRecord& record, const std::string& context,
                std::vector<std::string> choices, std::optional<size_t> gold) {
  Document document = start(record);
  for (const std::string& choice : choices) document.prompts.push_back({context, " " + choice});
  document.choices = std::move(choices);
  document.gold = gold;
  if (gold) document.target = std::to_string(*gold);
  return document;
}

/// Fields that are one choice each.
std::vector<std::string> choice_fields(const JsonRecord& record,
                                       std::initializer_list<const char*> names) {
  std::vector<std::string> choices;
  for (const char* name : names) {
    choices.push_back(record.text(name));
    if (choices.back().empty()) record.refuse_field(name, "is empty, expected a choice");
  }
  return choices;
}

/// Choices with labels, and which label is right: as Hugging Face keeps them, in two lists, or as
/// their authors did, in a list of pairs.
struct LabelledChoices {
  std::vector<std::string> texts;
  std::vector<std::string> labels;
};

LabelledChoices labelled_choices(const JsonRecord& record) {
  LabelledChoices choices;
  if (record.required("choices").is_array()) {
    for (const JsonRecord& choice : record.objects("choices")) {
      choices.texts.push_back(choice.text("text"));
      choices.labels.push_back(choice.text("label"));
    }
  } else {
    const JsonRecord lists = record.object("choices");
    choices = {lists.texts("text"), lists.texts("label")};
    if (choices.texts.size() != choices.labels.size()) {
      lists.refuse_field(
          "label", format("{} labels of {} texts", choices.labels.size(), choices.texts.size()));
    }
  }
  require_choices(record, "choices", choices.texts);
  return choices;
}

size_t find_label(const JsonRecord& record, std::string_view key,
                  const std::vector<std::string>& labels) {
  const auto found = std::find(labels.begin(), labels.end(), key);
  if (found == labels.end()) {
    record.refuse_field("answerKey", format("'{}' is none of the labels {}", key, listed(labels)));
  }
  return static_cast<size_t>(found - labels.begin());
}

/// The object that holds the choices: the line itself, or `question` in the authors' files.
JsonRecord asked_part(const JsonRecord& record) {
  const bool nested = record.has("question") && record.required("question").is_object();
  return nested ? record.object("question") : record;
}

}  // namespace

Document read_hellaswag(const JsonRecord& record) {
  const std::vector<std::string> endings = record.texts("endings");
  require_choices(record, "endings", endings);
  const size_t gold = record.label("label", endings.size());
  const std::string activity = record.text("activity_label");
  const std::string ctx_a = record.text("ctx_a"), ctx_b = record.text("ctx_b");
  std::string query;
  try {
    query = hellaswag_query(activity, ctx_a, ctx_b);
  } catch (const DataError& error) {
    record.refuse_field("ctx_b", error.what());
  }
  std::vector<std::string> choices;
  for (const std::string& ending : endings) choices.push_back(hellaswag_text(ending));
  JsonRecord processed = record;
  processed.set("query", query);
  processed.set("choices", choices);
  processed.set("gold", gold);
  return choose(processed, query, std::move(choices), gold);
}

Document read_openbookqa(const JsonRecord& record) {
  const JsonRecord asked = asked_part(record);
  const std::string stem =
      record.has("question_stem") ? record.text("question_stem") : asked.text("stem");
  LabelledChoices choices = labelled_choices(asked);
  const std::string key = record.text("answerKey");
  const size_t gold = find_label(record, strip_left(key), choices.labels);
  return choose(record, stem, std::move(choices.texts), gold);
}

Document read_winogrande(const JsonRecord& record) {
  const std::string sentence = record.text("sentence");
  const std::vector<std::string> options = choice_fields(record, {"option1", "option2"});
  const size_t blank = sentence.find('_');
  if (blank == std::string::npos) {
    record.refuse_field("sentence", format("'{}' has no blank '_' to fill in", sentence));
  }
  const std::string suffix(strip(std::string_view(sentence).substr(blank + 1)));
  if (suffix.empty()) record.refuse_field("sentence", format("'{}' ends at its blank", sentence));
  const std::string answer = record.text("answer");
  if (answer != "1" && answer != "2") {
    record.refuse_field("answer", format("expected \"1\" or \"2\", got \"{}\"", answer));
  }
  Document document = start(record);
  for (const std::string& option : options) {
    document.prompts.push_back({sentence.substr(0, blank) + option, " " + suffix});
  }
  document.choices = options;
  document.gold = answer == "1" ? 0 : 1;
  document.target = suffix;
  return document;
}

Document read_arc(const JsonRecord& record) {
  const JsonRecord asked = asked_part(record);
  const bool nested = record.required("question").is_object();
  const std::string question = nested ? asked.text("stem") : record.text("question");
  LabelledChoices choices = labelled_choices(asked);
  const size_t gold = find_label(record, record.text("answerKey"), choices.labels);
  return choose(record, "Question: " + question + "\nAnswer:", std::move(choices.texts), gold);
}

Document read_boolq(const JsonRecord& record) {
  const std::string title = record.has("title") ? record.text("title") + " -- " : "";
  const std::string context =
      title + record.text("passage") + "\nQuestion: " + record.text("question") + "?\nAnswer:";
  const bool googles = record.has("answer") && !record.has("label");
  return choose(record, context, {"no", "yes"}, record.label(googles ? "answer" : "label", 2));
}

Document read_piqa(const JsonRecord& record) {
  return choose(record, "Question: " + record.text("goal") + "\nAnswer:",
                choice_fields(record, {"sol1", "sol2"}), record.label("label", 2));
}

Document read_sciq(const JsonRecord& record) {
  const std::string support = record.text("support");
  const std::string context =
      std::string(strip_left(support)) + "\nQuestion: " + record.text("question") + "\nAnswer:";
  return choose(
      record, context,
      choice_fields(record, {"distractor1", "distractor2", "distractor3", "correct_answer"}), 3);
}

Document read_lambada(const JsonRecord& record) {
  const std::string text = record.text("text");
  if (text.empty()) record.refuse_field("text", "is empty");
  const size_t space = text.rfind(' ');
  const bool one_word = space == std::string::npos;
  Document document = start(record);
  document.target = " " + (one_word ? text : text.substr(space + 1));
  document.prompts.push_back({one_word ? "" : text.substr(0, space), document.target});
  return document;
}

Document read_wikitext(const JsonRecord& record) {
  const std::string page = record.text("page");
  if (page.empty()) record.refuse_field("page", "is empty");
  Document document = start(record);
  document.target = detokenize_wikitext(page);
  document.prompts.push_back({"", document.target});
  document.words = static_cast<int64_t>(count_words(page));
  document.bytes = static_cast<int64_t>(page.size());
  return document;
}

Document read_question(const JsonRecord& record) {
  const std::string query = record.text("query");
  std::vector<std::string> choices = record.texts("choices");
  require_choices(record, "choices", choices);
  std::optional<size_t> gold;
  if (record.has("gold")) gold = record.index("gold", choices.size());
  const std::string kind = record.text_or("kind", "");
  Document document = choose(record, query, std::move(choices), gold);
  document.kind = kind;
  return document;
}

}  // namespace lckv::eval
