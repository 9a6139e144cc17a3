#include "lckv/report/status_file.h"

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::report {

namespace {

using nlohmann::json;

void take(const json& object, const char* name, std::string& text) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_string()) text = found->get<std::string>();
}

void take(const json& object, const char* name, int64_t& number) {
  const auto found = object.find(name);
  if (found != object.end() && found->is_number()) number = found->get<int64_t>();
}

void take_health(const json& health, Status& status) {
  take(health, "skipped_updates", status.skipped_updates);
  take(health, "spikes", status.spikes);
  const auto messages = health.find("messages");
  if (messages == health.end() || !messages->is_array()) return;
  for (const json& message : *messages) {
    if (message.is_string()) status.messages.push_back(message.get<std::string>());
  }
}

}  // namespace

Status parse_status(const std::string& text, const std::string& place) {
  const json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) throw DataError(format("{}: is not a JSON object", place));
  Status status;
  take(object, "state", status.state);
  take(object, "grid", status.grid);
  take(object, "step", status.step);
  take(object, "steps", status.steps);
  take(object, "ranks", status.ranks);
  const auto health = object.find("health");
  if (health != object.end() && health->is_object()) take_health(*health, status);
  return status;
}

}  // namespace lckv::report
