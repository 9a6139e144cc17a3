#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

// Included by .cpp files of this module and headers that only they include.

namespace lckv::data {

/// A value of a JSON file that knows where it stands: "tokenizer.json: $.model.vocab". Its
/// accessors throw DataError naming file, place, what was expected and what is there. Does not own
/// the value.
class JsonPlace {
 public:
  JsonPlace(const nlohmann::json& value, std::string place)
      : value_(&value), place_(std::move(place)) {}

  const nlohmann::json& value() const { return *value_; }
  const std::string& place() const { return place_; }

  /// A field of this object; refused when absent.
  JsonPlace at(const char* name) const;
  /// Nothing when the field is absent or null.
  std::optional<JsonPlace> find(const char* name) const;
  std::vector<JsonPlace> items() const;

  std::string text() const;
  bool flag() const;
  int64_t integer(int64_t low, int64_t high) const;
  /// Absent or null: `otherwise`.
  bool flag_or(const char* name, bool otherwise) const;
  std::string text_or(const char* name, const std::string& otherwise) const;

  /// Refuses a field of another name, which would ask for what is not implemented.
  void require_known_fields(std::initializer_list<std::string_view> known) const;
  void require_object() const;

  [[noreturn]] void refuse(std::string_view expected) const;
  [[noreturn]] void refuse_with(std::string_view what) const;

 private:
  const nlohmann::json* value_;
  std::string place_;
};

/// Throws DataError starting with `origin` when the text is no JSON, holds a name twice in one
/// object, or nests deeper than any tokenizer file does.
nlohmann::json parse_unambiguous_json(std::string_view text, const std::string& origin);

}  // namespace lckv::data
