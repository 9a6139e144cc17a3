#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/hdf5_handle.h"

namespace lckv::data {

/// One HDF5 file open for reading; whatever is not as asked for becomes a DataError that begins
/// with the path. Every member is called under a Hdf5Lock.
class Hdf5Input {
 public:
  /// Throws IoError when the file cannot be opened, DataError when it is not HDF5, damaged or
  /// truncated.
  explicit Hdf5Input(std::string path);

  const std::string& path() const { return path_; }

  std::optional<int64_t> find_integer(const char* attribute) const;
  std::optional<std::string> find_text(const char* attribute) const;
  int64_t integer(const char* attribute) const;
  std::string text(const char* attribute) const;

  /// A list of integers of that size, stored in this file as they are.
  Hdf5Handle open_list(const char* name, size_t element_bytes) const;
  /// All of them are stored: there is no more to read than the file is long.
  int64_t rows(const char* name, const Hdf5Handle& list) const;
  /// Rows first .. first + count - 1 converted to `type`.
  void read_rows(const char* name, const Hdf5Handle& list, hid_t type, int64_t first, int64_t count,
                 void* out) const;

  template <class T>
  std::vector<T> read_list(const char* name, hid_t type) const {
    const Hdf5Handle list = open_list(name, sizeof(T));
    std::vector<T> values(static_cast<size_t>(rows(name, list)));
    read_rows(name, list, type, 0, std::ssize(values), values.data());
    return values;
  }

  /// Throws DataError(path: text).
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    throw DataError(path_ + ": " + format(text, std::forward<Args>(args)...));
  }

 private:
  void require_checksums() const;
  Hdf5Handle open_attribute(const char* name) const;
  void require_plain_storage(const char* name, const Hdf5Handle& list) const;

  std::string path_;
  Hdf5Handle file_;
};

}  // namespace lckv::data
