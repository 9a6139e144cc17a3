#include "lckv/train/watch_rows.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

Json planned_object(const model::MemoryReport& planned) {
  Json object;
  for (const model::MemoryReport::Kind& kind : planned.kinds) {
    object[format("memory/planned/{}_bytes", metric_name(kind.kind))] = kind.bytes;
  }
  object["memory/planned_bytes"] = planned.total_bytes;
  return object;
}

MetricsRow row_of(int64_t step) { return {{"step", static_cast<double>(step)}}; }

}  // namespace

std::string metric_name(std::string_view kind) {
  std::string text;
  for (const char c : kind) {
    const bool is_word = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (is_word) text += c;
    if (!is_word && !text.empty() && text.back() != '_') text += '_';
  }
  return text;
}

MetricsRow planned_memory_row(int64_t step, const model::MemoryReport& planned,
                              comm::Communicator& all) {
  Json largest;
  for (const std::string& text : comm::gather_texts(all, planned_object(planned).dump())) {
    Json one = Json::parse(text);
    const auto bytes = [](const Json& of) { return of.value("memory/planned_bytes", int64_t{-1}); };
    if (largest.is_null() || bytes(one) > bytes(largest)) largest = std::move(one);
  }
  MetricsRow row = row_of(step);
  for (const auto& [name, bytes] : largest.items()) row.emplace_back(name, bytes.get<double>());
  return row;
}

MetricsRow measured_memory_row(int64_t step, int64_t taken_bytes, comm::Communicator& all) {
  auto most = static_cast<double>(taken_bytes);
  Stream host;
  all.all_reduce(host, View(&most, DType::kF64, {1}), comm::ReduceOp::kMax, "memory measured");
  MetricsRow row = row_of(step);
  row.emplace_back("memory/measured_bytes", most);
  return row;
}

MetricsRow time_row(int64_t step, const StepTimes& times) {
  MetricsRow row = row_of(step);
  for (size_t kind = 0; kind < times.work.seconds.size(); ++kind) {
    row.emplace_back(format("time/{}_s", metric_name(name(static_cast<ops::WorkKind>(kind)))),
                     times.work.seconds[kind]);
  }
  if (times.exposed_communication_s) {
    row.emplace_back("time/exposed_communication_s", *times.exposed_communication_s);
  }
  row.emplace_back("time/everything_else_s", times.everything_else_s());
  return row;
}

}  // namespace lckv::train
