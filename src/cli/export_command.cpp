#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/hf_output.h"
#include "lckv/cli/output_name.h"
#include "lckv/train/exchange.h"
#include "lckv/train/model_source.h"

namespace lckv::cli {

namespace {

/// What goes beside the tensors.
struct Company {
  config::ModelConfig config;
  train::HfFiles files;
  std::string tokenizer;  // for people
};

Company with_tokenizer(const ExportArgs& args, const train::ModelSource& source) {
  const auto tokenizer =
      args.tokenizer.empty() ? source.tokenizer() : data::load_tokenizer(args.tokenizer);
  if (source.has_tokenizer() && tokenizer->sha256() != source.tokenizer()->sha256()) {
    throw DataError(format("{}: not the tokenizer that {} was trained with", args.tokenizer,
                           source.describe()));
  }
  const config::ModelConfig config = train::with_token_ids(source.config(), *tokenizer);
  return {config, train::hf_tokenizer_files(*tokenizer, config),
          format("tokenizer {}", tokenizer->kind())};
}

Company as_they_were(const train::ModelSource& source) {
  train::HfFiles files = train::hf_carried_files(source.describe());
  const std::string names = describe_carried(files);
  return {source.config(), std::move(files), names};
}

/// Of a Hugging Face folder.
DType own_dtype(const train::ModelSource& source) {
  return train::WeightReader(source.describe(), source.config(), train::KvInit::kExact)
      .stored_dtype();
}

}  // namespace

ExitCode run_export(const ExportArgs& args) {
  require_output(args.output);
  const auto source = train::ModelSource::open(args.source);
  const bool is_folder = train::is_hf_folder(source.describe());
  const Company company =
      is_folder && args.tokenizer.empty() ? as_they_were(source) : with_tokenizer(args, source);
  const train::HfOptions options =
      hf_options(args.output_options, is_folder ? own_dtype(source) : DType::kBF16);
  const train::HfWritten written = train::write_hf_model(
      args.output, company.config, source.open_weights(), company.files, options);
  fmt::print("{}: {} of {}; {}\n", args.output, describe_written(written, options),
             source.describe(), company.tokenizer);
  return ExitCode::kOk;
}

}  // namespace lckv::cli
