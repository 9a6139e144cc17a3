#include "lckv/data/hdf5_output.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::data {

namespace {

constexpr unsigned kMaxAttributes = 32;
constexpr int64_t kMetadataBytes =
    1 << 20;  // more than headers, indexes and attributes take between two lists

Hdf5Handle create_dataset(hid_t file, const char* name, hid_t type, hsize_t rows, hsize_t max_rows,
                          hsize_t chunk_rows) {
  const Hdf5Handle space(H5Screate_simple(1, &rows, &max_rows));
  const Hdf5Handle layout(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(layout.get(), false);  // equal content, equal file
  if (chunk_rows > 0) H5Pset_chunk(layout.get(), 1, &chunk_rows);
  return Hdf5Handle(
      H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, layout.get(), H5P_DEFAULT));
}

Hdf5Handle access_without_locks() {
  Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_file_locking(access.get(), false, true);
  return access;
}

}  // namespace

Hdf5Output::Hdf5Output(std::string path, std::string final_path)
    : path_(std::move(path)), final_path_(std::move(final_path)) {
  const Hdf5Handle access = access_without_locks();
  // Headers and indexes of this generation carry checksums of their own.
  H5Pset_libver_bounds(access.get(), H5F_LIBVER_V110, H5F_LIBVER_V110);
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  const Hdf5Handle creation(H5Pcreate(H5P_FILE_CREATE));
  H5Pset_obj_track_times(creation.get(), false);
  H5Pset_attr_phase_change(creation.get(), kMaxAttributes,
                           0);  // inside the header, where a checksum covers them
  reserve(0);                   // for creating writes too, and takes what is there away
  file_ = Hdf5Handle(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, creation.get(), access.get()));
  require(file_.valid());
  reserve(0);
}

void Hdf5Output::require(bool succeeded) const {
  if (succeeded) return;
  throw IoError(
      format("{}: cannot be written (HDF5: {}); is the disk full?", final_path_, hdf5_reason()));
}

// HDF5 cannot get rid of metadata that it fails to write, and crashes when the program ends. So the
// disk is asked for the space first; close() gives back what was not needed.
void Hdf5Output::reserve(int64_t bytes) {
  hsize_t size = 0;
  require(!file_.valid() || H5Fget_filesize(file_.get(), &size) >= 0);
  const auto wanted = static_cast<off_t>(size) + bytes + kMetadataBytes;
  const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  const int error = descriptor < 0 ? errno : ::posix_fallocate(descriptor, 0, wanted);
  if (descriptor >= 0) ::close(descriptor);
  if (error != 0) {
    throw IoError(format("{}: cannot be written, no room for {}: {}", final_path_,
                         human_bytes(static_cast<double>(wanted)), std::strerror(error)));
  }
}

void Hdf5Output::give_back_reserve() const {
  haddr_t end = 0;
  const Hdf5Handle access = access_without_locks();
  Hdf5Handle file(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()));
  require(file.valid() && H5Fget_eoa(file.get(), &end) >= 0 && file.reset());
  require(::truncate(path_.c_str(), static_cast<off_t>(end)) == 0);
}

void Hdf5Output::write_attribute(const char* name, hid_t type, const void* value) {
  const Hdf5Handle space(H5Screate(H5S_SCALAR));
  const Hdf5Handle attribute(
      H5Acreate2(file_.get(), name, type, space.get(), H5P_DEFAULT, H5P_DEFAULT));
  require(attribute.valid() && H5Awrite(attribute.get(), type, value) >= 0);
}

void Hdf5Output::write_attribute(const char* name, int64_t value) {
  write_attribute(name, H5T_STD_I64LE, &value);
}

void Hdf5Output::write_attribute(const char* name, const std::string& value) {
  const Hdf5Handle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), value.size());
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  write_attribute(name, type.get(), value.data());
}

void Hdf5Output::write_list(const char* name, hid_t type, const void* data, int64_t rows) {
  const auto count = static_cast<hsize_t>(rows);
  reserve(rows * static_cast<int64_t>(H5Tget_size(type)));
  const Hdf5Handle list = create_dataset(file_.get(), name, type, count, count, 0);
  require(list.valid() && H5Dwrite(list.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
}

Hdf5Handle Hdf5Output::create_growing_list(const char* name, hid_t type, int64_t chunk_rows) {
  Hdf5Handle list =
      create_dataset(file_.get(), name, type, 0, H5S_UNLIMITED, static_cast<hsize_t>(chunk_rows));
  require(list.valid());
  return list;
}

void Hdf5Output::append(const Hdf5Handle& list, hid_t type, const void* data, int64_t rows_before,
                        int64_t rows) {
  const auto first = static_cast<hsize_t>(rows_before);
  const auto count = static_cast<hsize_t>(rows);
  const hsize_t total = first + count;
  reserve(rows * static_cast<int64_t>(H5Tget_size(type)));
  require(H5Dset_extent(list.get(), &total) >= 0);
  const Hdf5Handle target(H5Dget_space(list.get()));
  H5Sselect_hyperslab(target.get(), H5S_SELECT_SET, &first, nullptr, &count, nullptr);
  const Hdf5Handle source(H5Screate_simple(1, &count, nullptr));
  require(H5Dwrite(list.get(), type, source.get(), target.get(), H5P_DEFAULT, data) >= 0);
}

void Hdf5Output::close() {
  require(H5Fflush(file_.get(), H5F_SCOPE_LOCAL) >= 0);
  require(file_.reset());
  give_back_reserve();
}

}  // namespace lckv::data
