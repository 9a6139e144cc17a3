#include "golden_file.h"

#include <algorithm>
#include <filesystem>

#include "lckv/base/text.h"
#include "lckv/config/load.h"
#include "lckv/tensor/buffer.h"
#include "lckv/train/parameter_slices.h"

namespace lckv::golden {

namespace {

const std::string& metadata(const checkpoint::SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    throw DataError(format("{}: __metadata__ has no '{}'", file.path().string(), key));
  }
  return found->second;
}

FileKind kind_of(const checkpoint::SafetensorsFile& file) {
  if (file.contains("batches")) return FileKind::kTrain;
  if (file.contains("logits_parallel")) return FileKind::kDecode;
  if (file.contains("tokens") && file.contains("logits")) return FileKind::kCase;
  throw DataError(
      format("{}: neither a case (tokens, logits), a training run (batches) nor a decoding run "
             "(logits_parallel)",
             file.path().string()));
}

}  // namespace

GoldenFile GoldenFile::open(const std::string& path) {
  auto tensors = checkpoint::SafetensorsFile::open(path);
  const std::filesystem::path beside =
      std::filesystem::path(path).parent_path() / metadata(tensors, "weights");
  auto weights = checkpoint::SafetensorsFile::open(beside);
  const FileKind kind = kind_of(tensors);
  config::ModelConfig config = config::parse_hf_config(metadata(tensors, "config"), path);
  return {std::move(tensors), std::move(weights), kind, config};
}

std::vector<double> GoldenFile::values(const std::string& name, const Shape& expected) const {
  const Shape actual = tensors.info(name).shape;
  if (!(actual == expected)) {
    throw DataError(format("{}: {} has shape {}, the model says {}", tensors.path().string(), name,
                           to_string(actual), to_string(expected)));
  }
  std::vector<double> values(static_cast<size_t>(actual.numel()));
  tensors.read(name, View(values.data(), DType::kF64, actual));
  return values;
}

void GoldenFile::require_no_others(const std::string& prefix,
                                   const model::ParameterTable& table) const {
  for (const std::string& name : tensors.names()) {
    if (!name.starts_with(prefix)) continue;
    const bool known =
        std::any_of(table.parameters.begin(), table.parameters.end(),
                    [&](const model::Parameter& p) { return name == prefix + p.name; });
    if (known) continue;
    throw DataError(
        format("{}: {} belongs to no parameter of this layout", tensors.path().string(), name));
  }
}

std::vector<int32_t> GoldenFile::tokens(const std::string& name) const {
  const Shape shape = tensors.info(name).shape;
  std::vector<int64_t> wide(static_cast<size_t>(shape.numel()));
  tensors.read(name, View(wide.data(), DType::kI64, shape));
  std::vector<int32_t> tokens;
  for (const int64_t token : wide) {
    if (token < 0 || token >= config.vocab_size) {
      throw DataError(format("{}: {}: token {} is outside the vocabulary [0, {})",
                             tensors.path().string(), name, token, config.vocab_size));
    }
    tokens.push_back(static_cast<int32_t>(token));
  }
  return tokens;
}

void GoldenFile::read_weight(const model::Parameter& parameter, View local) const {
  const Shape stored = weights.info(parameter.name).shape;
  if (!(stored == parameter.shape)) {
    throw DataError(format("{}: {} has shape {}, the model says {}", weights.path().string(),
                           parameter.name, to_string(stored), to_string(parameter.shape)));
  }
  const View real = train::real_part(parameter, local);
  if (real.numel() > 0) weights.read_slice(parameter.name, train::slice_of(parameter), real);
}

}  // namespace lckv::golden
