#include "lckv/train/model_source.h"

#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_reader.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/exchange.h"
#include "lckv/train/parameter_slices.h"

namespace lckv::train {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRunConfig = "config.yaml";
constexpr const char* kHfConfig = "config.json";
constexpr const char* kManifest = "manifest.json";

Arena allocate_for(const model::ParameterTable& table, DType dtype, Device device) {
  Arena plan = Arena::planning(device);
  const model::ParameterSet planned(table, plan, "weights", dtype);
  return Arena::allocate(plan);
}

ReadPart parts_of_state(const fs::path& folder) {
  const auto state = std::make_shared<checkpoint::StateReader>(folder);
  return [state](const model::Parameter& part, const View& to) {
    const std::string name = "weight/" + part.name;
    const Shape saved = state->info(name).shape;
    if (saved != part.shape) {  // a slice of a larger tensor would be read without complaint
      throw DataError(format("{}: tensor '{}': expected shape {}, the state has {}",
                             state->path().string(), name, to_string(part.shape),
                             to_string(saved)));
    }
    const View real = real_part(part, to);
    if (real.numel() > 0) state->read(name, slice_of(part), real);
  };
}

}  // namespace

LoadedWeights::LoadedWeights(const model::ParameterTable& table, DType dtype, Device device)
    : arena(allocate_for(table, dtype, device)), weights(table, arena, "weights", dtype) {}

LoadedWeights ModelSource::load(DType dtype, const comm::Communicators& ranks,
                                Device device) const {
  LoadedWeights loaded(
      model::make_parameter_table(config_, {ranks.grid.tp, ranks.grid.tp_rank(), /*dp=*/1}), dtype,
      device);
  read_weights(loaded.weights);
  return loaded;
}

ModelSource ModelSource::open(const fs::path& given) {
  ModelSource source = look_at(given);
  const auto alone = comm::make_alone("one process");
  source.choose_state(*alone);
  return source;
}

ModelSource ModelSource::open(comm::World& world, const fs::path& given) {
  ModelSource source;
  comm::together(world, [&] { source = look_at(given); });
  source.choose_state(world.all());
  comm::require_equal_texts(world, "model", config::to_hf_json(source.config_, "float32"));
  comm::require_equal_texts(world, "sequence length and document mask",
                            format("{} {}", source.sequence_tokens_, source.document_mask_));
  return source;
}

/// What `given` is, and its configuration.
ModelSource ModelSource::look_at(const fs::path& given) {
  const fs::path path =
      given.has_filename() ? given : given.parent_path();  // "runs/x/" is "runs/x"
  if (!fs::is_directory(path)) throw IoError(format("{}: no such folder", given.string()));
  ModelSource source;
  source.weights_path_ = path;
  if (fs::exists(path / kHfConfig)) {
    source.config_ = config::load_hf_config((path / kHfConfig).string());
    source.sequence_tokens_ = source.config_.max_position_embeddings;
    source.tokenizer_spec_ = hf_tokenizer_spec(path);
    return source;
  }
  source.is_state_ = true;
  const fs::path run_folder = fs::exists(path / kManifest) ? path.parent_path() : path;
  if (!fs::exists(run_folder / kRunConfig)) {
    throw DataError(
        format("{}: neither a Hugging Face folder ({}), a run's folder ({}) nor a saved state ({})",
               given.string(), kHfConfig, kRunConfig, kManifest));
  }
  const config::RunConfig run = config::load_run((run_folder / kRunConfig).string());
  source.config_ = run.model;
  source.sequence_tokens_ = run.data.sequence_tokens;
  source.document_mask_ = run.data.document_mask;
  source.tokenizer_spec_ = run.data.train.front();
  return source;
}

/// Of a run's folder the newest whole state; a state's folder is checked to be whole.
void ModelSource::choose_state(comm::Communicator& group) {
  if (!is_state_) return;
  if (fs::exists(weights_path_ / kManifest)) {
    comm::together(group, [&] {
      if (group.rank() == 0) checkpoint::verify_state(weights_path_, &stop_requested());
    });
    return;
  }
  const auto newest = checkpoint::find_latest_state(group, weights_path_, &stop_requested());
  if (!newest) {
    const std::string message =
        format("{}: the run has no saved state yet", weights_path_.string());
    if (group.size() == 1) throw DataError(message);
    throw comm::AgreedError(message, ExitCode::kData);
  }
  weights_path_ = *newest;
}

ReadPart ModelSource::open_weights() const {
  if (is_state_) return parts_of_state(weights_path_);
  const auto reader = std::make_shared<WeightReader>(weights_path_, config_, KvInit::kExact);
  return [reader](const model::Parameter& part, const View& to) { reader->read(part, to); };
}

void ModelSource::read_weights(const model::ParameterSet& to) const {
  const ReadPart read = open_weights();
  for (const model::Parameter& parameter : to.table().parameters) {
    const View local = to.view(parameter);
    if (local.device().kind == DeviceKind::kCpu) {
      read(parameter, local);
    } else {
      const Buffer host(local.dtype(), local.shape());
      read(parameter, host.view());
      set_from_host(local, host.view());
    }
  }
}

bool ModelSource::has_tokenizer() const {
  return tokenizer_spec_ == "bytes" || fs::exists(tokenizer_spec_);
}

std::shared_ptr<const data::Tokenizer> ModelSource::tokenizer() const {
  if (tokenizer_spec_.empty()) {
    throw DataError(format("{}: no tokenizer beside the model; name one with --tokenizer",
                           weights_path_.string()));
  }
  return data::load_tokenizer(tokenizer_spec_);
}

}  // namespace lckv::train
