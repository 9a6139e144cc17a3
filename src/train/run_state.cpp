#include "lckv/train/run_state.h"

#include <set>

#include <nlohmann/json.hpp>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/config/keys.h"
#include "lckv/data/token_store.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/kernels/table.h"

namespace lckv::train {

namespace {

using nlohmann::json;

constexpr int kStateVersion = 1;

/// Keys whose change continues the same run: where and how often things are written, and how the
/// same arithmetic is carried out.
const std::set<std::string> kFreeKeys = {"output",
                                         "model.from",
                                         "data.prefetch_batches",
                                         "train.threads",
                                         "train.keep_states",
                                         "train.recompute",
                                         "train.save_every_steps",
                                         "train.init_from",
                                         "train.init_kv",
                                         "train.log_every_steps",
                                         "train.precision",
                                         "validation.every_steps",
                                         "validation.tokens",
                                         "data.validation",
                                         "train.max_nonfinite_steps"};

std::vector<checkpoint::Shard> shards_of(const Trainer& trainer) {
  std::vector<checkpoint::Shard> shards;
  const auto add = [&](const std::string& kind, const model::ParameterSet& set) {
    for (const model::Parameter& parameter : set.table().parameters) {
      shards.push_back(checkpoint::whole_shard(kind + "/" + parameter.name, set.view(parameter)));
    }
  };
  add("weight", trainer.masters());
  add("adam_m", trainer.optimizer().first_moments());
  add("adam_v", trainer.optimizer().second_moments());
  return shards;
}

/// The order of matmul's sums depends on the thread count and the instruction set: still the same
/// run, but no longer bit for bit.
void warn_of_another_order_of_sums(const json& state) {
  const int threads = state.at("threads");
  const std::string backend = state.at("backend");
  if (threads == ops::cpu_threads() && backend == ops::kernels({}).name) return;
  log_warning(
      format("the saved run used {} threads on {}, this one {} on {}: it continues, but not "
             "bit for bit",
             threads, backend, ops::cpu_threads(), ops::kernels({}).name));
}

}  // namespace

ConfigTexts config_texts(const config::RunConfig& config) {
  config::RunConfig copy = config;
  ConfigTexts texts;
  for (const config::Key& key : config::keys_of(copy)) texts[key.path] = config::value_text(key);
  return texts;
}

std::vector<std::string> differences_that_matter(const ConfigTexts& now, const ConfigTexts& saved) {
  std::vector<std::string> differences;
  for (const auto& [key, value] : now) {
    const auto found = saved.find(key);
    if (kFreeKeys.contains(key) || (found != saved.end() && found->second == value)) continue;
    differences.push_back(format("{}: {}, the saved run has {}", key, value,
                                 found == saved.end() ? "no such key" : found->second));
  }
  return differences;
}

std::string data_fingerprint(const std::vector<std::string>& stores) {
  std::string text;
  for (const std::string& path : stores) {
    const data::TokenStore store(path);
    text +=
        format("{}{}:{:016x}", text.empty() ? "" : " ", store.info().tokens, store.content_hash());
  }
  return text;
}

void save_run(const std::filesystem::path& run_folder, const Trainer& trainer,
              const RunPosition& position, const config::RunConfig& config) {
  const json state = {{"version", kStateVersion},
                      {"step", position.step},
                      {"updates", position.updates},
                      {"sequences", position.sequences},
                      {"skipped_in_row", position.skipped_in_row},
                      {"validation_due", position.validation_due},
                      {"data", data_fingerprint(config.data.train)},
                      {"threads", ops::cpu_threads()},
                      {"backend", ops::kernels({}).name},
                      {"precision", std::string(name(trainer.weights().dtype()))},
                      {"config", config_texts(config)}};
  const std::vector<checkpoint::Shard> shards = shards_of(trainer);
  checkpoint::save_state(run_folder, position.step, shards, state.dump());
}

std::optional<RunPosition> resume_run(const std::filesystem::path& run_folder, Trainer& trainer,
                                      Stream& stream, const config::RunConfig& config) {
  const auto newest = checkpoint::find_latest_state(run_folder);
  if (!newest) return std::nullopt;
  const std::string place = newest->string();
  try {
    // The configuration is compared before tensors are read: a run of another model has other
    // tensors.
    const json state = json::parse(checkpoint::read_state_summary(*newest).trainer_state_json);
    std::vector<std::string> differences =
        differences_that_matter(config_texts(config), state.at("config").get<ConfigTexts>());
    const std::string precision(name(trainer.weights().dtype()));
    if (state.at("precision") != precision) {
      differences.push_back(format("precision: {}, the saved run has {}", precision,
                                   state.at("precision").get<std::string>()));
    }
    const std::string data = data_fingerprint(config.data.train);
    if (state.at("data") != data) {
      differences.push_back(format("data.train: tokens {}, the saved run has {}", data,
                                   state.at("data").get<std::string>()));
    }
    if (!differences.empty()) {
      std::string message =
          format("{}: this run cannot be continued with another configuration:", place);
      for (const std::string& difference : differences) message += "\n  " + difference;
      throw ConfigError(message + "\nUse another output folder for another run.");
    }
    const std::vector<checkpoint::Shard> shards = shards_of(trainer);
    checkpoint::load_state(*newest, shards);
    trainer.publish_masters(stream);
    warn_of_another_order_of_sums(state);
    return RunPosition{state.at("step"), state.at("updates"), state.at("sequences"),
                       state.at("skipped_in_row"), state.at("validation_due")};
  } catch (const json::exception& error) {
    throw DataError(
        format("{}: trainer state is not what this program writes: {}", place, error.what()));
  }
}

}  // namespace lckv::train
