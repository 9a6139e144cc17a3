#include <algorithm>
#include <cstddef>
#include <set>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/stored_type.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/config/load.h"
#include "lckv/model/dims.h"
#include "lckv/train/exchange.h"
#include "lckv/train/parameter_slices.h"

namespace lckv::train {

namespace fs = std::filesystem;

namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += "\n  " + line;
  return text;
}

/// What tensors do not show: heads that split equal shapes differently, and the constants that the
/// weights were trained with. Only config.json tells that the weights would be misread.
void require_equal_numerics(const std::string& place, const config::ModelConfig& source,
                            const config::ModelConfig& ours) {
  const model::Dims theirs = model::make_dims(source, 1, 1);
  const model::Dims wanted = model::make_dims(ours, 1, 1);
  const auto require = [&](const char* field, auto actual, auto expected) {
    if (actual == expected) return;
    throw DataError(
        format("{}: {} is {}, but the model to fill has {}", place, field, actual, expected));
  };
  require("num_attention_heads", theirs.Hq, wanted.Hq);
  require("num_key_value_heads", theirs.Hkv, wanted.Hkv);
  require("head_dim", theirs.D, wanted.D);
  require("rope_theta", source.rope_theta, ours.rope_theta);
  require("rms_norm_eps", source.rms_norm_eps, ours.rms_norm_eps);
}

/// Whether the embeddings are tied where config.json says so; false without one.
bool read_source_config(const fs::path& folder_or_file, const config::ModelConfig& ours) {
  const fs::path path = folder_or_file / "config.json";
  if (!fs::exists(path)) return false;
  const config::ModelConfig source = config::load_hf_config(path.string());
  require_equal_numerics(path.string(), source, ours);
  return source.tie_word_embeddings;
}

/// Old files hold the rotary frequencies of every layer, which follow from rope_theta.
bool is_frequency_table(const std::string& name) { return name.ends_with(".rotary_emb.inv_freq"); }

std::set<std::string> weight_names(const checkpoint::TensorSet& tensors) {
  std::set<std::string> weights;
  for (const std::string& name : tensors.names()) {
    if (!is_frequency_table(name)) weights.insert(name);
  }
  return weights;
}

void require_names(const std::string& place, const model::WeightSources& sources, KvInit kv_init) {
  if (!sources.missing.empty()) {
    throw DataError(format("{}: {} tensors are missing:{}", place, sources.missing.size(),
                           joined(sources.missing)));
  }
  if (!sources.extra.empty()) {
    const char* hint =
        kv_init == KvInit::kExact
            ? "\n(key and value projections of layers that nobody reads can be dropped "
              "or averaged: lckv import --kv, train.init_kv)"
            : "";
    throw DataError(format("{}: {} tensors have no place in the model:{}{}", place,
                           sources.extra.size(), joined(sources.extra), hint));
  }
}

void require_shapes(const std::string& place, const checkpoint::TensorSet& tensors,
                    const model::WeightSources& sources, const model::ParameterTable& table) {
  std::vector<std::string> wrong;
  for (const model::WeightSource& source : sources.of) {
    const Shape& expected = table.find(source.parameter).shape;
    for (const std::string& name : source.tensors) {
      const checkpoint::TensorInfo info = tensors.info(name);
      if (info.dtype != DType::kBF16 && info.dtype != DType::kF32 && info.dtype != DType::kF64) {
        wrong.push_back(
            format("{}: holds {}, expected a floating type", name, lckv::name(info.dtype)));
      } else if (info.shape != expected) {
        wrong.push_back(
            format("{}: shape {}, expected {}", name, to_string(info.shape), to_string(expected)));
      }
    }
  }
  if (!wrong.empty()) {
    throw DataError(
        format("{}: {} tensors do not fit the model:{}", place, wrong.size(), joined(wrong)));
  }
}

/// Rows begin .. end-1 of two tensors of one shape, compared by value.
bool equal_rows(const checkpoint::TensorSet& tensors,
                const std::pair<std::string, std::string>& names, const checkpoint::Slice& rows) {
  std::vector<double> first(static_cast<size_t>(rows.shape().numel())), second(first.size());
  tensors.read_slice(names.first, rows, View(first.data(), DType::kF64, rows.shape()));
  tensors.read_slice(names.second, rows, View(second.data(), DType::kF64, rows.shape()));
  return first == second;
}

bool equal_values(const checkpoint::TensorSet& tensors,
                  const std::pair<std::string, std::string>& names) {
  const Shape shape = tensors.info(names.first).shape;
  if (shape != tensors.info(names.second).shape) return false;
  constexpr int64_t kElemsAtOnce = 1 << 19;
  const int64_t step = std::max<int64_t>(kElemsAtOnce / (shape.numel() / shape[0]), 1);
  for (int64_t row = 0; row < shape[0]; row += step) {
    const int64_t end = std::min(row + step, shape[0]);
    if (!equal_rows(tensors, names, checkpoint::Slice::rows(shape, row, end))) return false;
  }
  return true;
}

void require_equal(const std::string& place, const checkpoint::TensorSet& tensors,
                   const std::pair<std::string, std::string>& names) {
  if (equal_values(tensors, names)) return;
  throw DataError(format("{}: the model ties its embeddings, but {} and {} differ there", place,
                         names.first, names.second));
}

void read_mean(const checkpoint::TensorSet& tensors, const std::vector<std::string>& names,
               const checkpoint::Slice& slice, View to) {
  std::vector<double> mean(static_cast<size_t>(to.numel()), 0.0), values(mean.size());
  for (const std::string& name : names) {
    tensors.read_slice(name, slice, View(values.data(), DType::kF64, to.shape()));
    std::transform(mean.begin(), mean.end(), values.begin(), mean.begin(), std::plus<>());
  }
  for (double& value : mean) value /= static_cast<double>(names.size());
  checkpoint::convert(reinterpret_cast<const std::byte*>(mean.data()), checkpoint::StoredType::kF64,
                      static_cast<std::byte*>(to.raw()), to.dtype(), to.numel());
}

}  // namespace

WeightReader::WeightReader(const fs::path& folder_or_file, const config::ModelConfig& config,
                           KvInit kv_init)
    : tensors_(checkpoint::TensorSet::open(folder_or_file)) {
  const std::string place = folder_or_file.string();
  const bool source_is_tied = read_source_config(folder_or_file, config);
  const model::WeightSources sources =
      model::find_weight_sources(config, kv_init, weight_names(tensors_), source_is_tied);
  require_names(place, sources, kv_init);
  require_shapes(place, tensors_, sources, model::make_parameter_table(config));
  for (const auto& pair : sources.must_be_equal) require_equal(place, tensors_, pair);
  for (const model::WeightSource& source : sources.of) {
    sources_[source.parameter] = source.tensors;
  }
}

std::vector<std::string> WeightReader::unused() const {
  std::set<std::string> used;
  for (const auto& [parameter, tensors] : sources_) used.insert(tensors.begin(), tensors.end());
  std::vector<std::string> rest;
  for (const std::string& name : tensors_.names()) {
    if (!used.contains(name)) rest.push_back(name);
  }
  return rest;
}

DType WeightReader::stored_dtype() const {
  for (const auto& [parameter, tensors] : sources_) {
    for (const std::string& name : tensors) {
      if (tensors_.info(name).dtype != DType::kBF16) return DType::kF32;
    }
  }
  return DType::kBF16;
}

void WeightReader::read(const model::Parameter& parameter, View local) const {
  const std::vector<std::string>& names = sources_.at(parameter.name);
  const checkpoint::Slice slice = slice_of(parameter);
  const View real = real_part(parameter, local);
  if (real.numel() == 0) return;
  if (names.size() == 1) {
    tensors_.read_slice(names.front(), slice, real);
  } else {
    read_mean(tensors_, names, slice, real);
  }
}

}  // namespace lckv::train
