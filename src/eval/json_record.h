#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

// Included by .cpp files of this module and headers that only they include.

namespace lckv::eval {

/// The JSON object of one line, or one inside it, whose fields are refused by name and place:
/// DataError "dev.jsonl:12: field 'choices.label': expected a list, got string".
class JsonRecord {
 public:
  using Json = nlohmann::ordered_json;

  /// Throws DataError when the line is not one JSON object.
  JsonRecord(std::string_view line, std::string place);

  bool has(const char* name) const { return fields_.contains(name); }
  const Json& required(const char* name) const;
  std::string text(const char* name) const;
  /// `fallback` where there is no such field.
  std::string text_or(const char* name, const std::string& fallback) const;
  /// Of a list of texts.
  std::vector<std::string> texts(const char* name) const;
  JsonRecord object(const char* name) const;
  /// Of a list of objects.
  std::vector<JsonRecord> objects(const char* name) const;
  /// An index written as a number; in [0, count).
  size_t index(const char* name, size_t count) const;
  /// An index written as a number, as digits in a text, or as false or true.
  size_t label(const char* name, size_t count) const;

  /// A field that the task computes; no check sees it.
  void set(const char* name, const Json& value) { fields_[name] = value; }
  /// As json.dumps(indent=2, ensure_ascii=False) of Python writes it.
  std::string dump() const { return fields_.dump(2); }
  const std::string& place() const { return place_; }

  [[noreturn]] void refuse(const std::string& what) const;
  [[noreturn]] void refuse_field(const char* name, const std::string& what) const;

 private:
  JsonRecord(Json fields, std::string place, std::string path);
  const Json& list(const char* name) const;
  std::string full_name(const char* name) const { return path_ + name; }

  Json fields_;
  std::string place_;
  std::string path_;  // "question." for fields of the object `question`
};

}  // namespace lckv::eval
