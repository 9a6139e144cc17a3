#pragma once

#include <cstdint>
#include <string>

#include "lckv/data/hdf5_handle.h"

namespace lckv::data {

/// One HDF5 file being written; worthless until close(). Any failure becomes an IoError that names
/// `final_path`, a full disk before HDF5 meets it. Equal calls give equal files, byte for byte.
/// Every member is called under a Hdf5Lock.
class Hdf5Output {
 public:
  Hdf5Output(std::string path, std::string final_path);

  void write_attribute(const char* name, int64_t value);
  void write_attribute(const char* name, const std::string& value);

  void write_list(const char* name, hid_t type, const void* data, int64_t rows);

  /// A list that append() lengthens, in chunks.
  Hdf5Handle create_growing_list(const char* name, hid_t type, int64_t chunk_rows);
  void append(const Hdf5Handle& list, hid_t type, const void* data, int64_t rows_before,
              int64_t rows);

  /// Every list must have been closed.
  void close();

 private:
  void write_attribute(const char* name, hid_t type, const void* value);
  void require(bool succeeded) const;
  void reserve(int64_t bytes);
  void give_back_reserve() const;

  std::string path_;
  std::string final_path_;
  Hdf5Handle file_;
};

}  // namespace lckv::data
