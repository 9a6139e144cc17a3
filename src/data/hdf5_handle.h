#pragma once

#include <mutex>
#include <string>
#include <utility>

#include <hdf5.h>

// The only door to HDF5; included by .cpp files of this module alone.

namespace lckv::data {

/// HDF5 may be built without thread safety: every call to it happens under this lock, which also
/// keeps its error stack off stderr.
class Hdf5Lock {
 public:
  Hdf5Lock();

 private:
  std::lock_guard<std::recursive_mutex> guard_;
};

/// Owns one HDF5 identifier of any kind. Made under a Hdf5Lock; takes it itself to close.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  explicit Hdf5Handle(hid_t id) : id_(id) {}
  ~Hdf5Handle() { reset(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept;

  bool valid() const { return id_ >= 0; }
  hid_t get() const { return id_; }
  /// False when closing failed.
  bool reset();

 private:
  hid_t id_ = H5I_INVALID_HID;
};

/// What HDF5 says about the last failure, in its own words.
std::string hdf5_reason();

}  // namespace lckv::data
