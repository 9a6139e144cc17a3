#include "lckv/report/event_log.h"

#include <nlohmann/json.hpp>

#include "lckv/report/json_lines.h"

namespace lckv::report {

namespace {

using nlohmann::json;

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

Event event_of(const json& object) {
  Event event;
  const auto step = object.find("step");
  if (step != object.end() && step->is_number()) event.step = step->get<int64_t>();
  event.time = text_of(object, "time");
  event.kind = text_of(object, "kind");
  event.message = text_of(object, "message");
  return event;
}

}  // namespace

std::vector<Event> read_events(const std::string& path) {
  std::vector<Event> events;
  read_json_lines(path, [&](const std::string& line) -> std::optional<std::string> {
    const json object = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_discarded()) return "is not valid JSON";
    if (!object.is_object()) return "is not an object";
    Event event = event_of(object);
    if (event.kind.empty()) return "there is no \"kind\"";
    events.push_back(std::move(event));
    return std::nullopt;
  });
  return events;
}

}  // namespace lckv::report
