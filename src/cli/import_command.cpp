#include <algorithm>

#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/hf_output.h"
#include "lckv/cli/output_name.h"
#include "lckv/config/load.h"
#include "lckv/model/layer_spec.h"
#include "lckv/train/exchange.h"

namespace lckv::cli {

namespace {

config::ModelConfig source_config(const std::string& folder) {
  if (!train::is_hf_folder(folder)) {
    throw DataError(format("{}: not a Hugging Face folder: it has no config.json", folder));
  }
  return config::load_hf_config(folder + "/config.json");
}

/// The source's model in the layout that the options name.
config::ModelConfig relaid(const ImportArgs& args, config::ModelConfig model) {
  model.layer_types = args.layer_types;
  model.forward_passes = args.forward_passes.value_or(model.forward_passes);
  model.backward_passes = args.backward_passes.value_or(model.backward_passes);
  model.sliding_window = args.sliding_window.value_or(model.sliding_window);
  model.force_nodiag = args.force_nodiag || model.force_nodiag;
  std::string problems;
  for (const std::string& problem : config::validate(model)) problems += "\n  " + problem;
  if (!problems.empty()) {
    throw ConfigError(format("{} in another layout:{}", args.folder, problems));
  }
  return model;
}

/// The source's tokenizer files come along: its ids are the ones that count.
void settle_id(std::optional<int64_t>& id, const std::optional<int64_t>& of_source,
               const char* name) {
  if (id && of_source && *id != *of_source) {
    throw ConfigError(format("model.{} is {}, but the source's is {}", name, *id, *of_source));
  }
  if (!id) id = of_source;
}

config::ModelConfig of_run_file(const ImportArgs& args, const config::ModelConfig& source) {
  config::ModelConfig model = config::load_run(args.config).model;
  settle_id(model.bos_token_id, source.bos_token_id, "bos_token_id");
  settle_id(model.eos_token_id, source.eos_token_id, "eos_token_id");
  settle_id(model.pad_token_id, source.pad_token_id, "pad_token_id");
  return model;
}

std::string describe_layout(const config::ModelConfig& model) {
  if (model::is_plain_llama(model::make_layer_specs(model))) return "a plain Llama";
  return format("layer_types {}, m = {}, b = {}", model.layer_types, model.forward_passes,
                model.backward_passes);
}

/// "; keys and values of 1 layer are means; 10 tensors of the source left out"
std::string describe_changes(const train::WeightReader& reader) {
  const auto means =
      std::count_if(reader.sources().begin(), reader.sources().end(), [](const auto& source) {
        return source.second.size() > 1 && source.first.ends_with("k_proj.weight");
      });
  std::string text;
  if (means > 0) {
    text += format("; keys and values of {} are means",
                   means == 1 ? "1 layer" : format("{} layers", means));
  }
  const size_t unused = reader.unused().size();
  if (unused > 0) text += format("; {} tensors of the source left out", unused);
  return text;
}

}  // namespace

ExitCode run_import(const ImportArgs& args) {
  require_output(args.output);
  if (args.layer_types.empty() == args.config.empty()) {
    throw Error("import: name the layout by one of --layer-types and --config", ExitCode::kUsage);
  }
  const config::ModelConfig source = source_config(args.folder);
  const config::ModelConfig model =
      args.config.empty() ? relaid(args, source) : of_run_file(args, source);
  const train::WeightReader reader(
      args.folder, model, args.kv == "average" ? train::KvInit::kAverage : train::KvInit::kCopy);
  const train::HfFiles files = train::hf_carried_files(args.folder);
  const train::HfOptions options = hf_options(args.output_options, reader.stored_dtype());
  const train::HfWritten written = train::write_hf_model(
      args.output, model,
      [&](const model::Parameter& part, const View& to) { reader.read(part, to); }, files, options);
  fmt::print("{}: {} of {}: {}{}; {}\n", args.output, describe_written(written, options),
             args.folder, describe_layout(model), describe_changes(reader),
             describe_carried(files));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
