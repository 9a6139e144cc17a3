#include "lckv/train/model_source.h"

#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/config/load.h"
#include "lckv/train/exchange.h"

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

}  // namespace

LoadedWeights::LoadedWeights(const model::ParameterTable& table, DType dtype)
    : arena(allocate_for(table, dtype)), weights(table, arena, "weights", dtype) {}

LoadedWeights ModelSource::load(DType dtype) const {
  LoadedWeights loaded(model::make_parameter_table(config_), dtype);
  read_weights(loaded.weights);
  return loaded;
}

ModelSource ModelSource::open(const fs::path& given) {
  const fs::path path =
      given.has_filename() ? given : given.parent_path();  // "runs/x/" is "runs/x"
  if (!fs::is_directory(path)) throw IoError(format("{}: no such folder", given.string()));
  ModelSource source;
  if (fs::exists(path / kHfConfig)) {
    source.config_ = config::load_hf_config((path / kHfConfig).string());
    source.sequence_tokens_ = source.config_.max_position_embeddings;
    source.weights_path_ = path;
    source.tokenizer_spec_ = hf_tokenizer_spec(path);
    return source;
  }
  source.is_state_ = true;
  const bool is_one_state = fs::exists(path / kManifest);
  const fs::path run_folder = is_one_state ? path.parent_path() : path;
  if (!fs::exists(run_folder / kRunConfig)) {
    throw DataError(
        format("{}: neither a Hugging Face folder ({}), a run's folder ({}) nor a saved state ({})",
               given.string(), kHfConfig, kRunConfig, kManifest));
  }
  const config::RunConfig run = config::load_run((run_folder / kRunConfig).string());
  if (is_one_state) {
    checkpoint::verify_state(path);
    source.weights_path_ = path;
  } else {
    const auto newest = checkpoint::find_latest_state(run_folder);
    if (!newest) throw DataError(format("{}: the run has no saved state yet", given.string()));
    source.weights_path_ = *newest;
  }
  source.config_ = run.model;
  source.sequence_tokens_ = run.data.sequence_tokens;
  source.document_mask_ = run.data.document_mask;
  source.tokenizer_spec_ = run.data.train.front();
  return source;
}

void ModelSource::read_weights(const model::ParameterSet& to) const {
  if (!is_state_) {
    import_weights(weights_path_, config_, KvInit::kExact, to);
    return;
  }
  const auto tensors = checkpoint::TensorSet::open(weights_path_ / "rank-00000.safetensors");
  for (const model::Parameter& parameter : to.table().parameters) {
    tensors.read("weight/" + parameter.name, to.view(parameter));
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
