#include "lckv/train/model_source.h"

#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/train/exchange.h"
#include "lckv/train/parameter_slices.h"

namespace lckv::train {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRunConfig = "config.yaml";
constexpr const char* kHfConfig = "config.json";
constexpr const char* kManifest = "manifest.json";

Arena allocate_for(const model::ParameterTable& table, DType dtype) {
  Arena plan = Arena::planning();
  const model::ParameterSet planned(table, plan, "weights", dtype);
  return Arena::allocate(plan);
}

/// A slice of a larger tensor would be read without complaint: the whole shape is compared.
void read_part(const checkpoint::TensorSet& tensors, const model::Parameter& parameter,
               const View& local) {
  const std::string name = "weight/" + parameter.name;
  const Shape stored = tensors.info(name).shape;
  if (stored != parameter.shape) {
    throw DataError(format("{}: tensor '{}': expected shape {}, the file has {}",
                           tensors.path_of(name).string(), name, to_string(parameter.shape),
                           to_string(stored)));
  }
  const View real = real_part(parameter, local);
  if (real.numel() > 0) tensors.read_slice(name, slice_of(parameter), real);
}

}  // namespace

LoadedWeights::LoadedWeights(const model::ParameterTable& table, DType dtype)
    : arena(allocate_for(table, dtype)), weights(table, arena, "weights", dtype) {}

LoadedWeights ModelSource::load(DType dtype, const comm::Communicators& ranks) const {
  LoadedWeights loaded(
      model::make_parameter_table(config_, {ranks.grid.tp, ranks.grid.tp_rank(), /*dp=*/1}), dtype);
  read_weights(loaded.weights);
  return loaded;
}

ModelSource ModelSource::open(const fs::path& given) {
  ModelSource source = look_at(given);
  source.choose_state();
  return source;
}

ModelSource ModelSource::open(comm::World& world, const fs::path& given) {
  ModelSource source;
  comm::together(world, [&] { source = look_at(given); });
  // A run that still goes on saves and removes states meanwhile: one rank chooses for all.
  comm::together(world, [&] {
    if (world.rank() == 0) source.choose_state();
  });
  source.weights_path_ = comm::gather_texts(world.all(), source.weights_path_.string()).front();
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
void ModelSource::choose_state() {
  if (!is_state_) return;
  if (fs::exists(weights_path_ / kManifest)) {
    checkpoint::verify_state(weights_path_);
    return;
  }
  const auto newest = checkpoint::find_latest_state(weights_path_);
  if (!newest) {
    throw DataError(format("{}: the run has no saved state yet", weights_path_.string()));
  }
  weights_path_ = *newest;
}

void ModelSource::read_weights(const model::ParameterSet& to) const {
  if (!is_state_) {
    import_weights(weights_path_, config_, KvInit::kExact, to);
    return;
  }
  const auto tensors = checkpoint::TensorSet::open(checkpoint::tensors_file(weights_path_));
  for (const model::Parameter& parameter : to.table().parameters) {
    read_part(tensors, parameter, to.view(parameter));
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
