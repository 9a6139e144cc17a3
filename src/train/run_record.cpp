#include "lckv/train/run_record.h"

#include <chrono>
#include <cmath>

#include <fmt/chrono.h>
#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/base/version.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/kernels/table.h"
#include "lckv/train/device.h"

namespace lckv::train {

namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 2;

/// The grid, and how a step is cut into micro-batches.
std::string grid_text(const Trainer& trainer) {
  const comm::Grid& grid = trainer.ranks().grid;
  const model::Dims& d = trainer.network().dims();
  const std::string ranks = grid.ranks() == 1 ? "" : to_string(grid) + " ranks, ";
  return format("{}{}micro-batches of {}", ranks, d.sequence_parallel ? "sequence parallel, " : "",
                d.B);
}

std::string now_utc() {
  const auto now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

ordered_json to_json(const std::optional<ValidationMark>& mark) {
  if (!mark) return nullptr;
  return {{"step", mark->step}, {"loss", mark->loss}, {"exact", mark->is_exact}};
}

std::optional<ValidationMark> mark_from(const ordered_json& json) {
  if (json.is_null()) return std::nullopt;
  const auto& loss = json.at("loss");  // null where it was not finite
  return ValidationMark{json.at("step"), loss.is_null() ? std::nan("") : loss.get<double>(),
                        json.value("exact", false)};  // of older states: none is
}

ordered_json to_json(const SpikeDetector::State& spikes) {
  return {{"losses", spikes.losses},
          {"grad_norms", spikes.grad_norms},
          {"in_row", spikes.spikes_in_row}};
}

SpikeDetector::State spikes_from(const ordered_json& json) {
  return {json.at("losses").get<std::vector<double>>(),
          json.at("grad_norms").get<std::vector<double>>(), json.at("in_row")};
}

}  // namespace

namespace {

std::string backend_of(const Trainer& trainer, const config::RunConfig& config) {
  const Device device = trainer.weights().buckets().front().device();
  const bool is_cudnn =
      device.kind == DeviceKind::kCuda && config.train.attention == config::Attention::kCudnn;
  return backend_name(device) + (is_cudnn ? ", attention of cuDNN" : "");
}

}  // namespace

RunRecord make_record(const Trainer& trainer, const RunPosition& position,
                      const config::RunConfig& config, const std::string& data,
                      const std::string& tokenizer) {
  return {position,
          config_texts(config),
          data,
          tokenizer,
          std::string(name(trainer.weights().dtype())),
          grid_text(trainer),
          ops::cpu_threads(),
          backend_of(trainer, config)};
}

std::string to_json(const RunRecord& record, const config::RunConfig& config) {
  const RunPosition& position = record.position;
  const ordered_json json = {{"version", kVersion},
                             {"code", program_version()},
                             {"saved_at", now_utc()},
                             {"step", position.step},
                             {"updates", position.updates},
                             {"sequences", position.sequences},
                             {"sources", record.data},
                             {"tokenizer", record.tokenizer},
                             {"lr", position.lr},
                             {"rng", {{"weights", config.train.seed}, {"data", config.data.seed}}},
                             {"skipped", position.skipped},
                             {"nonfinite_in_row", position.nonfinite_in_row},
                             {"spikes", to_json(position.spikes)},
                             {"validation_due", position.validation_due},
                             {"validation", to_json(position.validation)},
                             {"best", to_json(position.best)},
                             {"precision", record.precision},
                             {"grid", record.grid},
                             {"threads", record.threads},
                             {"backend", record.backend},
                             {"config", record.config}};
  return json.dump();
}

RunRecord parse_record(const std::string& text, const std::string& place) {
  try {
    const auto json = ordered_json::parse(text);
    const int version = json.at("version");
    if (version != kVersion) {
      throw DataError(format("{}: the trainer's state has version {}, this program reads {}", place,
                             version, kVersion));
    }
    RunRecord record;
    RunPosition& position = record.position;
    position.step = json.at("step");
    position.updates = json.at("updates");
    position.sequences = json.at("sequences");
    if (position.step < 0 || position.updates < 0 || position.updates > position.step ||
        position.sequences < 0) {
      throw DataError(format("{}: {} updates in {} steps of {} sequences", place, position.updates,
                             position.step, position.sequences));
    }
    position.lr = json.at("lr");
    position.skipped = json.at("skipped");
    position.nonfinite_in_row = json.at("nonfinite_in_row");
    position.spikes = spikes_from(json.at("spikes"));
    position.validation_due = json.at("validation_due");
    position.validation = mark_from(json.at("validation"));
    position.best = mark_from(json.at("best"));
    record.config = json.at("config").get<ConfigTexts>();
    record.data = json.at("sources");
    record.tokenizer = json.at("tokenizer");
    record.precision = json.at("precision");
    record.grid = json.at("grid");
    record.threads = json.at("threads");
    record.backend = json.at("backend");
    return record;
  } catch (const nlohmann::json::exception& error) {
    throw DataError(
        format("{}: the trainer's state is not what this program writes: {}", place, error.what()));
  }
}

void require_same_run(const RunRecord& now, const RunRecord& saved, const std::string& place) {
  std::vector<std::string> differences = differences_that_matter(now.config, saved.config);
  const auto require = [&](const char* what, const std::string& here, const std::string& there) {
    if (here == there) return;
    differences.push_back(format("{}: {}, the saved run has {}", what, here, there));
  };
  require("precision", now.precision, saved.precision);
  require("tokenizer", now.tokenizer, saved.tokenizer);
  require("data.train: tokens and content", now.data, saved.data);
  if (differences.empty()) return;
  std::string message =
      format("{}: this run cannot be continued with another configuration:", place);
  for (const std::string& difference : differences) message += "\n  " + difference;
  throw ConfigError(message + "\nUse another output folder for another run.");
}

std::string another_order_of_sums(const RunRecord& now, const RunRecord& saved) {
  const auto describe = [](const RunRecord& record) {
    return format("{}, {} threads on {}", record.grid, record.threads, record.backend);
  };
  if (describe(now) == describe(saved)) return "";
  return format("the saved run used {}, this one {}", describe(saved), describe(now));
}

}  // namespace lckv::train
