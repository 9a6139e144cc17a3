#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lckv/checkpoint/atomic_file.h"
#include "lckv/checkpoint/input_file.h"
#include "lckv/checkpoint/safetensors_header.h"
#include "lckv/checkpoint/shard.h"
#include "lckv/tensor/view.h"

namespace lckv::checkpoint {

struct TensorInfo {
  DType dtype;  // F32 for stored F16
  Shape shape;
};

/// A safetensors file (FORMAT.md section 2) open for reading. Only its header is in memory; tensors
/// are read when asked for, by any number of threads.
class SafetensorsFile {
 public:
  /// Throws IoError when the file cannot be read, DataError when it is not what FORMAT.md asks for.
  static SafetensorsFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_.path(); }
  /// In the order of their data.
  const std::vector<std::string>& names() const { return names_; }
  const std::map<std::string, std::string>& metadata() const { return header_.metadata; }
  bool contains(const std::string& name) const { return index_.contains(name); }
  /// Throws DataError naming the file when there is no such tensor; so do the functions below.
  TensorInfo info(const std::string& name) const;

  /// The whole tensor.
  ///
  ///   to   out   contiguous, in host memory, of the tensor's shape; BF16, F32 or F64 for a
  ///   floating tensor (widening
  ///              is exact, narrowing rounds to nearest even), the tensor's own dtype for an
  ///              integer one
  ///
  /// Throws DataError naming file, tensor, expected and actual shape or dtype; IoError when reading
  /// fails.
  void read(const std::string& name, const View& to) const;
  /// The elements of `slice`, into a view of the slice's shape; otherwise as read().
  void read_slice(const std::string& name, const Slice& slice, const View& to) const;

  /// First byte of the data, and the bytes of one tensor, counted from the start of the file.
  int64_t data_begin() const { return data_begin_; }
  struct ByteRange {
    int64_t begin;
    int64_t end;
  };
  ByteRange bytes_of(const std::string& name) const;
  /// XXH3-64 of a part of the file.
  uint64_t hash(ByteRange range) const { return file_.hash(range.begin, range.end); }

 private:
  SafetensorsFile(InputFile file, SafetensorsHeader header, int64_t data_begin);
  const SafetensorsHeader::Entry& entry(const std::string& name) const;

  InputFile file_;
  SafetensorsHeader header_;
  int64_t data_begin_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, size_t> index_;
};

/// Writes a safetensors file whose tensors are declared first and given one after the other, so
/// that no more than one need exist. The file appears under its name when finish() returns; before
/// that, nothing does.
class SafetensorsWriter {
 public:
  struct Declared {
    std::string name;
    DType dtype;
    Shape shape;
  };

  /// Throws IoError; DataError for a name or metadata that is not UTF-8; InternalError for a name
  /// given twice.
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<Declared>& tensors,
                    std::map<std::string, std::string> metadata = {});

  /// Where the data of a tensor stand in the file, and their XXH3-64.
  struct Written {
    int64_t offset = 0;
    uint64_t xxh3 = 0;
  };
  /// The next tensor in the declared order (InternalError for another), contiguous and in host
  /// memory; converted when its dtype is another floating one than declared. Throws IoError when
  /// the disk is full.
  Written write(const std::string& name, const ConstView& from);
  /// Throws InternalError when a tensor is missing, IoError.
  FileSummary finish();

 private:
  SafetensorsHeader header_;
  size_t next_ = 0;
  int64_t data_begin_ = 0;
  AtomicFile file_;
};

/// A tensor in memory and the dtype to store it in.
struct NamedTensor {
  std::string name;
  ConstView view;
  DType stored_dtype;
};

/// A whole file at once, widest dtype first, otherwise in the given order.
FileSummary write_safetensors(const std::filesystem::path& path,
                              std::span<const NamedTensor> tensors,
                              std::map<std::string, std::string> metadata = {});

}  // namespace lckv::checkpoint
