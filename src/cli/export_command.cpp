#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/train/exchange.h"
#include "lckv/train/model_source.h"

namespace lckv::cli {

ExitCode run_export(const ExportArgs& args) {
  const auto source = train::ModelSource::open(args.run);
  const auto tokenizer =
      args.tokenizer.empty() ? source.tokenizer() : data::load_tokenizer(args.tokenizer);
  if (source.has_tokenizer() && tokenizer->sha256() != source.tokenizer()->sha256()) {
    throw DataError(format("{}: not the tokenizer that {} was trained with", args.tokenizer,
                           source.describe()));
  }
  const train::LoadedWeights loaded = source.load(DType::kF32);
  const DType stored = args.dtype == "bf16" ? DType::kBF16 : DType::kF32;
  train::export_hf(
      args.output, source.config(), loaded.weights, stored, *tokenizer,
      args.overwrite ? checkpoint::ExistingFolder::kReplace : checkpoint::ExistingFolder::kRefuse);
  fmt::print("{}: {} parameters of {} as {}, tokenizer {}\n", args.output,
             with_thousands(loaded.weights.table().element_count()), source.describe(), args.dtype,
             tokenizer->kind());
  return ExitCode::kOk;
}

}  // namespace lckv::cli
