#pragma once

#include <string>
#include <vector>

#include "lckv/checkpoint/safetensors.h"
#include "lckv/config/model.h"
#include "lckv/model/parameter_set.h"

namespace lckv::golden {

enum class FileKind { kCase, kTrain, kDecode };

/// One file of tests/golden (format: README.md there), and the weights file that stands beside it.
struct GoldenFile {
  checkpoint::SafetensorsFile tensors;
  checkpoint::SafetensorsFile weights;
  FileKind kind;
  config::ModelConfig config;

  /// Tells the kind from the tensors it holds, so that files of any name are accepted. Throws
  /// DataError.
  static GoldenFile open(const std::string& path);

  /// The values of a floating tensor in double. Throws DataError when its shape is another.
  std::vector<double> values(const std::string& name, const Shape& expected) const;
  /// Throws DataError naming a tensor that begins with `prefix` and belongs to no parameter:
  /// numbers that would go unread.
  void require_no_others(const std::string& prefix, const model::ParameterTable& table) const;
  /// The values of an I64 tensor, checked to lie in [0, V).
  std::vector<int32_t> tokens(const std::string& name) const;
  Shape shape(const std::string& name) const { return tensors.info(name).shape; }

  /// Fills this rank's part of a parameter from the weights file; k_proj and v_proj of layers that
  /// nobody reads stay unread.
  void read_weight(const model::Parameter& parameter, View local) const;
};

}  // namespace lckv::golden
