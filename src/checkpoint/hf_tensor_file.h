#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

/// A safetensors file with the metadata `format: pt`, whose tensors are given in parts: as many
/// elements at a time as the caller can hold. It appears under its name when finish() returns.
class HfTensorFile {
 public:
  /// Throws IoError; DataError for a name that is not UTF-8; InternalError for a name given twice.
  HfTensorFile(const std::filesystem::path& path,
               std::span<const SafetensorsWriter::Declared> tensors);

  /// The elements that follow those given so far, in row-major order, of the tensor that is next in
  /// the declared order (InternalError for another, or for more elements than it has).
  ///
  ///   part   any shape, contiguous, in host memory; converted when its dtype is another floating
  ///          one than declared
  ///
  /// Throws IoError when the disk is full.
  void append(const std::string& name, const ConstView& part);
  /// Whether every tensor was given whole.
  bool complete() const { return next_ == header_.entries.size(); }
  /// Throws InternalError when it is not complete, IoError.
  void finish();

 private:
  SafetensorsHeader header_;
  AtomicFile file_;
  size_t next_ = 0;          // tensor
  int64_t given_elems_ = 0;  // of it
};

}  // namespace lckv::checkpoint
