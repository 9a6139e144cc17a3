#include "lckv/data/hdf5_input.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <unistd.h>

namespace lckv::data {

namespace {

constexpr size_t kMaxTextBytes = 4096;
constexpr std::string_view kSignature = "\x89HDF\r\n\x1a\n";
// That of HDF5 1.10, which puts headers and indexes under checksums. The library trusts older
// files, to the point of writing outside of its memory when they are damaged.
constexpr int kSuperblockVersion = 3;

}  // namespace

Hdf5Input::Hdf5Input(std::string path) : path_(std::move(path)) {
  if (::access(path_.c_str(), R_OK) != 0) {
    throw IoError(format("{}: cannot be opened: {}", path_, std::strerror(errno)));
  }
  if (std::filesystem::is_directory(path_)) throw IoError(path_ + ": is a folder, expected a file");
  if (!std::filesystem::is_regular_file(path_)) throw IoError(path_ + ": is not a regular file");
  require_checksums();
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  // Our files are complete once they have their name: no lock is needed, and some file systems have
  // none.
  H5Pset_file_locking(access.get(), false, true);
  file_ = Hdf5Handle(H5Fopen(path_.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!file_.valid()) refuse("damaged or truncated HDF5 file (HDF5: {})", hdf5_reason());
}

void Hdf5Input::require_checksums() const {
  std::array<char, kSignature.size() + 1> begin{};
  std::ifstream(path_, std::ios::binary).read(begin.data(), begin.size());
  if (!std::string_view(begin.data(), begin.size()).starts_with(kSignature)) {
    refuse("not an HDF5 file ({} bytes)", std::filesystem::file_size(path_));
  }
  const int version = static_cast<unsigned char>(begin.back());
  if (version != kSuperblockVersion) {
    refuse("HDF5, but not a token store: superblock version {}, expected {}, which has checksums",
           version, kSuperblockVersion);
  }
}

// An invalid handle when there is none.
Hdf5Handle Hdf5Input::open_attribute(const char* name) const {
  const htri_t exists = H5Aexists(file_.get(), name);
  if (exists < 0) refuse("attribute {} cannot be looked up (HDF5: {})", name, hdf5_reason());
  if (exists == 0) return {};
  Hdf5Handle attribute(H5Aopen(file_.get(), name, H5P_DEFAULT));
  if (!attribute.valid()) refuse("attribute {} cannot be opened (HDF5: {})", name, hdf5_reason());
  const Hdf5Handle space(H5Aget_space(attribute.get()));
  if (H5Sget_simple_extent_npoints(space.get()) != 1) refuse("attribute {} is not one value", name);
  return attribute;
}

std::optional<int64_t> Hdf5Input::find_integer(const char* name) const {
  const Hdf5Handle attribute = open_attribute(name);
  if (!attribute.valid()) return std::nullopt;
  const Hdf5Handle type(H5Aget_type(attribute.get()));
  int64_t value = 0;
  if (H5Tget_class(type.get()) != H5T_INTEGER ||
      H5Aread(attribute.get(), H5T_NATIVE_INT64, &value) < 0) {
    refuse("attribute {} is not an integer", name);
  }
  return value;
}

std::optional<std::string> Hdf5Input::find_text(const char* name) const {
  const Hdf5Handle attribute = open_attribute(name);
  if (!attribute.valid()) return std::nullopt;
  const Hdf5Handle type(H5Aget_type(attribute.get()));
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) != 0) {
    refuse("attribute {} is not a text of fixed length", name);
  }
  const size_t bytes = H5Tget_size(type.get());
  if (bytes > kMaxTextBytes) {
    refuse("attribute {} is a text of {} bytes, expected at most {}", name, bytes, kMaxTextBytes);
  }
  std::string value(bytes, '\0');
  if (H5Aread(attribute.get(), type.get(), value.data()) < 0)
    refuse("attribute {} cannot be read", name);
  return value.substr(0, value.find('\0'));
}

int64_t Hdf5Input::integer(const char* name) const {
  const auto value = find_integer(name);
  if (!value) refuse("attribute {} is missing", name);
  return *value;
}

std::string Hdf5Input::text(const char* name) const {
  const auto value = find_text(name);
  if (!value) refuse("attribute {} is missing", name);
  return *value;
}

Hdf5Handle Hdf5Input::open_list(const char* name, size_t element_bytes) const {
  H5L_info_t link{};
  const bool is_listed = H5Lget_info(file_.get(), name, &link, H5P_DEFAULT) >= 0;
  if (is_listed && link.type != H5L_TYPE_HARD) refuse("dataset {} is a link to elsewhere", name);
  Hdf5Handle list(H5Dopen2(file_.get(), name, H5P_DEFAULT));
  if (!list.valid()) refuse("dataset {} cannot be opened (HDF5: {})", name, hdf5_reason());
  const Hdf5Handle type(H5Dget_type(list.get()));
  if (H5Tget_class(type.get()) != H5T_INTEGER || H5Tget_size(type.get()) != element_bytes) {
    refuse("dataset {} is not of {}-byte integers", name, element_bytes);
  }
  require_plain_storage(name, list);
  return list;
}

// What is read lies in this file, as it is: nothing that a few bytes could blow up.
void Hdf5Input::require_plain_storage(const char* name, const Hdf5Handle& list) const {
  const Hdf5Handle creation(H5Dget_create_plist(list.get()));
  if (H5Pget_nfilters(creation.get()) != 0) refuse("dataset {} is compressed or filtered", name);
  if (H5Pget_layout(creation.get()) == H5D_VIRTUAL || H5Pget_external_count(creation.get()) != 0) {
    refuse("dataset {} lies in other files", name);
  }
}

int64_t Hdf5Input::rows(const char* name, const Hdf5Handle& list) const {
  const Hdf5Handle space(H5Dget_space(list.get()));
  if (H5Sget_simple_extent_ndims(space.get()) != 1)
    refuse("dataset {} has more than one axis", name);
  const auto rows = static_cast<hsize_t>(H5Sget_simple_extent_npoints(space.get()));
  const Hdf5Handle type(H5Dget_type(list.get()));
  const hsize_t stored_bytes = H5Dget_storage_size(list.get());
  if (rows > stored_bytes / H5Tget_size(type.get())) {
    refuse("dataset {} has {} rows, but {} bytes are stored", name, rows, stored_bytes);
  }
  return static_cast<int64_t>(rows);
}

void Hdf5Input::read_rows(const char* name, const Hdf5Handle& list, hid_t type, int64_t first,
                          int64_t count, void* out) const {
  const auto start = static_cast<hsize_t>(first);
  const auto length = static_cast<hsize_t>(count);
  const Hdf5Handle source(H5Dget_space(list.get()));
  H5Sselect_hyperslab(source.get(), H5S_SELECT_SET, &start, nullptr, &length, nullptr);
  const Hdf5Handle target(H5Screate_simple(1, &length, nullptr));
  if (H5Dread(list.get(), type, target.get(), source.get(), H5P_DEFAULT, out) < 0) {
    refuse("dataset {}: rows {} to {} cannot be read, the file is damaged or truncated (HDF5: {})",
           name, first, first + count - 1, hdf5_reason());
  }
}

}  // namespace lckv::data
