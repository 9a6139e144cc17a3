#include "lckv/eval/json_record.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

JsonRecord::Json parse_line(std::string_view line, const std::string& place) {
  try {
    return JsonRecord::Json::parse(line);
  } catch (const nlohmann::json::exception& error) {
    throw DataError(format("{}: not JSON: {}", place, error.what()));
  }
}

bool is_digits(const JsonRecord::Json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  return !text.empty() && text.size() < 10 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

}  // namespace

JsonRecord::JsonRecord(std::string_view line, std::string place)
    : JsonRecord(parse_line(line, place), place, "") {}

JsonRecord::JsonRecord(Json fields, std::string place, std::string path)
    : fields_(std::move(fields)), place_(std::move(place)), path_(std::move(path)) {
  if (!fields_.is_object()) {
    const std::string what = path_.empty() ? "" : format("field '{}': ", path_);
    refuse(format("{}expected a JSON object, got {}", what, fields_.type_name()));
  }
  if (!path_.empty()) path_ += ".";
}

void JsonRecord::refuse(const std::string& what) const {
  throw DataError(format("{}: {}", place_, what));
}

void JsonRecord::refuse_field(const char* name, const std::string& what) const {
  refuse(format("field '{}': {}", full_name(name), what));
}

const JsonRecord::Json& JsonRecord::required(const char* name) const {
  if (!has(name)) refuse(format("field '{}' is missing", full_name(name)));
  return fields_[name];
}

std::string JsonRecord::text(const char* name) const {
  const Json& value = required(name);
  if (!value.is_string()) refuse_field(name, format("expected a text, got {}", value.type_name()));
  return value.get<std::string>();
}

std::string JsonRecord::text_or(const char* name, const std::string& fallback) const {
  return has(name) ? text(name) : fallback;
}

const JsonRecord::Json& JsonRecord::list(const char* name) const {
  const Json& value = required(name);
  if (!value.is_array()) refuse_field(name, format("expected a list, got {}", value.type_name()));
  return value;
}

std::vector<std::string> JsonRecord::texts(const char* name) const {
  std::vector<std::string> result;
  for (const Json& value : list(name)) {
    if (!value.is_string()) {
      refuse_field(name, format("expected a text, got {}", value.type_name()));
    }
    result.push_back(value.get<std::string>());
  }
  return result;
}

JsonRecord JsonRecord::object(const char* name) const {
  return {required(name), place_, full_name(name)};
}

std::vector<JsonRecord> JsonRecord::objects(const char* name) const {
  std::vector<JsonRecord> result;
  for (const Json& value : list(name)) {
    result.push_back(JsonRecord(value, place_, format("{}[{}]", full_name(name), result.size())));
  }
  return result;
}

size_t JsonRecord::index(const char* name, size_t count) const {
  const Json& value = required(name);
  if (!value.is_number_integer()) {
    refuse_field(name, format("expected an index, got {}", value.dump()));
  }
  if (value < 0 || value >= count) {
    refuse_field(name, format("{} is outside the choices [0, {})", value.dump(), count));
  }
  return value.get<size_t>();
}

size_t JsonRecord::label(const char* name, size_t count) const {
  const Json& value = required(name);
  JsonRecord number = *this;
  if (is_digits(value)) number.fields_[name] = std::stoll(value.get<std::string>());
  if (value.is_boolean()) number.fields_[name] = value.get<bool>() ? 1 : 0;
  return number.index(name, count);
}

}  // namespace lckv::eval
