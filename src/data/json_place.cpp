#include "lckv/data/json_place.h"

#include <algorithm>
#include <unordered_set>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

using nlohmann::json;

constexpr size_t kShownBytes = 80;
constexpr int kMaxDepth = 32;

std::string shown(const json& value) {
  if (value.is_object()) return format("an object of {} fields", value.size());
  if (value.is_array()) return format("a list of {}", value.size());
  std::string text = value.dump();
  if (text.size() <= kShownBytes) return text;
  return text.substr(0, character_boundary(text, kShownBytes)) + "...";
}

std::string in_list(std::initializer_list<std::string_view> names) {
  std::string list;
  for (const std::string_view name : names) {
    list.append(list.empty() ? "" : ", ").append(name);
  }
  return list;
}

}  // namespace

void JsonPlace::refuse(std::string_view expected) const {
  throw DataError(format("{}: expected {}, got {}", place_, expected, shown(*value_)));
}

void JsonPlace::refuse_with(std::string_view what) const {
  throw DataError(format("{}: {}", place_, what));
}

void JsonPlace::require_object() const {
  if (!value_->is_object()) refuse("an object");
}

JsonPlace JsonPlace::at(const char* name) const {
  require_object();
  const auto field = value_->find(name);
  if (field == value_->end()) refuse_with(format("the field \"{}\" is missing", name));
  return {*field, format("{}.{}", place_, name)};
}

std::optional<JsonPlace> JsonPlace::find(const char* name) const {
  require_object();
  const auto field = value_->find(name);
  if (field == value_->end() || field->is_null()) return std::nullopt;
  return JsonPlace(*field, format("{}.{}", place_, name));
}

std::vector<JsonPlace> JsonPlace::items() const {
  if (!value_->is_array()) refuse("a list");
  std::vector<JsonPlace> places;
  for (size_t i = 0; i < value_->size(); ++i) {
    places.emplace_back((*value_)[i], format("{}[{}]", place_, i));
  }
  return places;
}

std::string JsonPlace::text() const {
  if (!value_->is_string()) refuse("a text");
  return value_->get<std::string>();
}

bool JsonPlace::flag() const {
  if (!value_->is_boolean()) refuse("true or false");
  return value_->get<bool>();
}

int64_t JsonPlace::integer(int64_t low, int64_t high) const {
  const bool in_range = value_->is_number_unsigned()
                            ? value_->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                            : value_->is_number_integer();
  if (!in_range || value_->get<int64_t>() < low || value_->get<int64_t>() > high) {
    refuse(format("an integer from {} to {}", low, high));
  }
  return value_->get<int64_t>();
}

bool JsonPlace::flag_or(const char* name, bool otherwise) const {
  const auto field = find(name);
  return field ? field->flag() : otherwise;
}

std::string JsonPlace::text_or(const char* name, const std::string& otherwise) const {
  const auto field = find(name);
  return field ? field->text() : otherwise;
}

void JsonPlace::require_known_fields(std::initializer_list<std::string_view> known) const {
  require_object();
  for (const auto& [name, value] : value_->items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      refuse_with(
          format("the field \"{}\" is not implemented; known are {}", name, in_list(known)));
    }
  }
}

json parse_unambiguous_json(std::string_view text, const std::string& origin) {
  std::vector<std::unordered_set<std::string>> names(kMaxDepth +
                                                     2);  // of the open object, by depth
  const auto check = [&](int depth, json::parse_event_t event, const json& parsed) {
    if (depth > kMaxDepth) {
      throw DataError(format("{}: nested deeper than {} levels", origin, kMaxDepth));
    }
    if (event == json::parse_event_t::object_start) names[static_cast<size_t>(depth) + 1].clear();
    if (event == json::parse_event_t::key &&
        !names[static_cast<size_t>(depth)].insert(parsed.get<std::string>()).second) {
      throw DataError(format("{}: name {} occurs twice in one object", origin, shown(parsed)));
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& error) {
    throw DataError(format("{}: is not valid JSON: {}", origin, error.what()));
  }
}

}  // namespace lckv::data
