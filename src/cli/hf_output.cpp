#include "lckv/cli/hf_output.h"

#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"

namespace lckv::cli {

train::HfOptions hf_options(const HfOutputArgs& args, DType own) {
  train::HfOptions options;
  options.stored = args.dtype == "bf16" ? DType::kBF16 : args.dtype == "fp32" ? DType::kF32 : own;
  options.file_bytes = args.file_bytes;
  if (args.overwrite) options.existing = checkpoint::ExistingFolder::kReplace;
  options.stop = &stop_requested();
  return options;
}

std::string describe_written(const train::HfWritten& written, const train::HfOptions& options) {
  return format("{} parameters as {} in {} file{}", with_thousands(written.elems),
                options.stored == DType::kBF16 ? "bf16" : "fp32", written.files,
                written.files == 1 ? "" : "s");
}

std::string describe_carried(const train::HfFiles& files) {
  if (files.empty()) return "no tokenizer files";
  std::string names;
  for (const auto& [name, bytes] : files) names += (names.empty() ? "" : ", ") + name;
  return "as they were: " + names;
}

}  // namespace lckv::cli
