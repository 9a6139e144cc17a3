#include "lckv/train/run_state.h"

#include <set>

#include <nlohmann/json.hpp>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/keys.h"
#include "lckv/data/token_store.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/kernels/table.h"
#include "lckv/train/parameter_slices.h"

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
                                         "train.recompute",
                                         "checkpoint.every_steps",
                                         "checkpoint.asynchronous",
                                         "checkpoint.when_busy",
                                         "checkpoint.keep_last",
                                         "checkpoint.keep_every_steps",
                                         "checkpoint.keep_best",
                                         "guards.stall_timeout_s",
                                         "train.time_limit_s",
                                         "train.init_from",
                                         "train.init_kv",
                                         "train.log_every_steps",
                                         "train.precision",
                                         "validation.every_steps",
                                         "validation.tokens",
                                         "data.validation",
                                         "guards.max_nonfinite_steps",
                                         "parallel.tensor",
                                         "parallel.data",
                                         "parallel.sequence",
                                         "parallel.oversubscribe",
                                         "train.micro_batch_sequences"};

/// A kind of tensor that is saved, and what this rank owns of it.
struct SavedKind {
  std::string name;
  std::vector<View> owned;
};

std::vector<SavedKind> saved_kinds(const Trainer& trainer) {
  return {{"weight/", trainer.owned_masters()},
          {"adam_m/", trainer.optimizer().first_moments().parts()},
          {"adam_v/", trainer.optimizer().second_moments().parts()}};
}

std::vector<checkpoint::SafetensorsWriter::Declared> declare(const Trainer& trainer) {
  std::vector<checkpoint::SafetensorsWriter::Declared> tensors;
  for (const SavedKind& kind : saved_kinds(trainer)) {
    for (const model::Parameter& parameter : trainer.weights().table().parameters) {
      tensors.push_back({kind.name + parameter.name, kind.owned.front().dtype(), parameter.shape});
    }
  }
  return tensors;
}

/// How the same sums are carried out: the grid, and how a step is cut into micro-batches.
std::string grid_text(const Trainer& trainer) {
  const comm::Grid& grid = trainer.ranks().grid;
  const model::Dims& d = trainer.network().dims();
  const std::string ranks = grid.ranks() == 1 ? "" : to_string(grid) + " ranks, ";
  return format("{}{}micro-batches of {}", ranks, d.sequence_parallel ? "sequence parallel, " : "",
                d.B);
}

/// The order of sums depends on the grid, that of matmul's on the thread count and the instruction
/// set: still the same run, but no longer bit for bit.
void warn_of_another_order_of_sums(const json& state, const Trainer& trainer) {
  const auto describe = [](const std::string& grid, int threads, const std::string& backend) {
    return format("{}{} threads on {}", grid.empty() ? "" : grid + ", ", threads, backend);
  };
  const std::string before =
      describe(state.value("grid", grid_text(trainer)), state.at("threads"), state.at("backend"));
  const std::string now = describe(grid_text(trainer), ops::cpu_threads(), ops::kernels({}).name);
  if (before == now) return;
  log_warning(
      format("the saved run used {}, this one {}: it continues, but not bit for bit", before, now));
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

void save_run(const std::filesystem::path& run_folder, const Trainer& trainer, Stream& stream,
              const RunPosition& position, const config::RunConfig& config,
              const std::string& data) {
  const bool writes = trainer.ranks().grid.rank == 0;
  std::optional<checkpoint::StateWriter> writer;
  if (writes) writer.emplace(run_folder, position.step, declare(trainer));
  const WholeTensors tensors(trainer.config(), trainer.ranks());
  for (const SavedKind& kind : saved_kinds(trainer)) {
    tensors.gather(stream, kind.owned, [&](const model::Parameter& parameter, ConstView whole) {
      writer->write(kind.name + parameter.name, whole);
    });
  }
  if (!writes) return;
  const json state = {{"version", kStateVersion},
                      {"step", position.step},
                      {"updates", position.updates},
                      {"sequences", position.sequences},
                      {"skipped_in_row", position.skipped_in_row},
                      {"validation_due", position.validation_due},
                      {"data", data},
                      {"threads", ops::cpu_threads()},
                      {"grid", grid_text(trainer)},
                      {"backend", ops::kernels({}).name},
                      {"precision", std::string(name(trainer.weights().dtype()))},
                      {"config", config_texts(config)}};
  writer->commit(state.dump());
}

namespace {

/// The configuration is compared before tensors are read: a run of another model has other tensors.
void require_same_run(const std::string& place, const json& state, const Trainer& trainer,
                      const config::RunConfig& config) {
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
  if (differences.empty()) return;
  std::string message =
      format("{}: this run cannot be continued with another configuration:", place);
  for (const std::string& difference : differences) message += "\n  " + difference;
  throw ConfigError(message + "\nUse another output folder for another run.");
}

/// The state's tensors are exactly those that this run saves.
void require_same_tensors(const checkpoint::SafetensorsFile& file, const Trainer& trainer) {
  const auto expected = declare(trainer);
  const std::string place = file.path().string();
  if (file.names().size() != expected.size()) {
    throw DataError(format("{}: holds {} tensors, this run saves {}", place, file.names().size(),
                           expected.size()));
  }
  for (const auto& tensor : expected) {
    const checkpoint::TensorInfo info = file.info(tensor.name);
    if (info.dtype == tensor.dtype && info.shape == tensor.shape) continue;
    throw DataError(format("{}: tensor '{}' is {}{}, expected {}{}", place, tensor.name,
                           name(info.dtype), to_string(info.shape), name(tensor.dtype),
                           to_string(tensor.shape)));
  }
}

void read_tensors(const checkpoint::SafetensorsFile& file, Trainer& trainer, Stream& stream) {
  const auto reader = [&](const std::string& kind) {
    return [&file, kind](const model::Parameter& parameter, View local) {
      const View real = real_part(parameter, local);
      if (real.numel() > 0) file.read_slice(kind + parameter.name, slice_of(parameter), real);
    };
  };
  trainer.set_weights(stream, reader("weight/"));
  trainer.set_owned(stream, trainer.optimizer().first_moments(), reader("adam_m/"));
  trainer.set_owned(stream, trainer.optimizer().second_moments(), reader("adam_v/"));
}

/// Rank 0 looks and reads every byte against its checksum; "" when there is none.
std::string find_state(comm::World& world, const std::filesystem::path& run_folder) {
  std::string found;
  comm::together(world, [&] {
    if (world.rank() != 0) return;
    if (const auto newest = checkpoint::find_latest_state(run_folder)) found = newest->string();
  });
  return comm::gather_texts(world.all(), found).front();
}

}  // namespace

std::optional<RunPosition> resume_run(comm::World& world, const std::filesystem::path& run_folder,
                                      Trainer& trainer, Stream& stream,
                                      const config::RunConfig& config) {
  const std::string place = find_state(world, run_folder);
  if (place.empty()) return std::nullopt;
  RunPosition position;
  comm::together(world, [&] {
    try {
      const json state = json::parse(checkpoint::read_state_summary(place).trainer_state_json);
      require_same_run(place, state, trainer, config);
      const auto file = checkpoint::SafetensorsFile::open(checkpoint::tensors_file(place));
      require_same_tensors(file, trainer);
      read_tensors(file, trainer, stream);
      if (world.rank() == 0) warn_of_another_order_of_sums(state, trainer);
      position = {state.at("step"), state.at("updates"), state.at("sequences"),
                  state.at("skipped_in_row"), state.at("validation_due")};
    } catch (const json::exception& error) {
      throw DataError(
          format("{}: trainer state is not what this program writes: {}", place, error.what()));
    }
  });
  return position;
}

}  // namespace lckv::train
