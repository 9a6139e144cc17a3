#include "built_store.h"

#include <algorithm>
#include <array>
#include <bit>
#include <filesystem>
#include <fstream>

#include "fuzz.h"
#include "lckv/base/random.h"
#include "lckv/data/sha256.h"
#include "lckv/data/token_store_format.h"
#include "lckv/data/tokenizer.h"

namespace lckv::fuzz {

using namespace data::format_v1;

namespace {

using data::Hdf5Handle;

constexpr std::array kPlaces = {
    kAttrFormat, kAttrVersion, kAttrTokens,     kAttrDocuments, kAttrVocab,
    kAttrKind,   kAttrSha256,  kAttrBos,        kAttrEos,       kAttrDocumentsChecksum,
    kTokens,     kDocuments,   kBlockChecksums, kTokenizerModel};

constexpr int64_t kChunkRows = 16;
constexpr int64_t kNever = INT64_MAX;

bool is_list(const std::string& place) {
  return place == kTokens || place == kDocuments || place == kBlockChecksums ||
         place == kTokenizerModel;
}

template <class T>
std::string bytes_of(const std::vector<T>& rows) {
  return {reinterpret_cast<const char*>(rows.data()), rows.size() * sizeof(T)};
}

Hdf5Handle copy(hid_t type) { return Hdf5Handle(H5Tcopy(type)); }

Hdf5Handle text_type(size_t bytes) {
  Hdf5Handle type = copy(H5T_C_S1);
  H5Tset_size(type.get(), bytes);
  H5Tset_strpad(type.get(), H5T_STR_NULLPAD);
  return type;
}

Hdf5Handle simple_space(std::vector<hsize_t> extents, bool is_unlimited = false) {
  const std::vector<hsize_t> limits(extents.size(), H5S_UNLIMITED);
  return Hdf5Handle(H5Screate_simple(static_cast<int>(extents.size()), extents.data(),
                                     is_unlimited ? limits.data() : nullptr));
}

/// Pointers into memory are no bytes that could be made up.
bool holds_pointers(hid_t type) {
  return H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tis_variable_str(type) > 0 ||
         H5Tdetect_class(type, H5T_REFERENCE) > 0;
}

bool is_number(hid_t type) {
  return H5Tget_class(type) == H5T_INTEGER || H5Tget_class(type) == H5T_FLOAT;
}

/// What to write values of the type `right` as, into a file that has `type`: HDF5 converts numbers,
/// of anything else the bytes are as good as others.
hid_t memory_type(hid_t right, hid_t type) {
  return is_number(right) && is_number(type) ? right : type;
}

/// `bytes` over and over, as many as `space` holds elements of `type`.
std::string filled(const std::string& bytes, hid_t type, hid_t space) {
  const auto elems = static_cast<size_t>(std::max<hssize_t>(H5Sget_select_npoints(space), 0));
  std::string buffer(elems * H5Tget_size(type), '\0');
  for (size_t i = 0; i < buffer.size() && !bytes.empty(); ++i) buffer[i] = bytes[i % bytes.size()];
  return buffer;
}

}  // namespace

BuiltStore::BuiltStore(FuzzedDataProvider& input) : input_(input) {
  draw_content();
  for (int64_t i = draw(0, 3); i > 0; --i) {
    const std::string place = kPlaces[static_cast<size_t>(draw(0, std::ssize(kPlaces) - 1))];
    const auto fault = input_.ConsumeEnum<Fault>();
    if (is_list(place) || fault < Fault::kStorage) faults_[place] = fault;
  }
  constexpr int64_t kMostPromised = INT64_MAX - 100;  // written ones can be added
  if (draw(0, 7) == 7) promised_ = std::min(other_integer(0) & INT64_MAX, kMostPromised);
}

void BuiltStore::draw_content() {
  if (input_.ConsumeBool()) {
    vocab_ = static_cast<int32_t>(draw(1, INT32_MAX));
    kind_ = input_.ConsumeBool() ? "sentencepiece" : input_.ConsumeRandomLengthString(40) + "x";
    model_ = kind_ == "sentencepiece" ? input_.ConsumeRandomLengthString(200) : "";
  }
  sha256_ = kind_ == "bytes" ? data::bytes_tokenizer()->sha256() : data::sha256_hex(model_);
  const CounterRng rng(static_cast<uint64_t>(draw(0, 255)), 0);
  ids_.resize(static_cast<size_t>(draw(1, 60)));
  for (size_t i = 0; i < ids_.size(); ++i) {
    ids_[i] = static_cast<int32_t>(rng.below(i, static_cast<uint64_t>(vocab_)));
  }
  is_outside_ = draw(0, 7) == 3 && vocab_ != kMaxVocabOfUint16 && vocab_ < INT32_MAX;
  if (is_outside_) ids_.back() = vocab_;
  starts_ = {0};
  for (int64_t i = draw(0, 4); i > 0; --i) starts_.push_back(draw(0, std::ssize(ids_)));
  starts_.push_back(std::ssize(ids_));
  std::sort(starts_.begin(), starts_.end());
}

bool BuiltStore::has(const char* place, Fault fault) const {
  const auto found = faults_.find(place);
  return found != faults_.end() && found->second == fault;
}

int64_t BuiltStore::other_integer(int64_t value) {
  const std::array edges = {int64_t{0},       int64_t{-1},      int64_t{-2},     value + 1,
                            value - 1,        INT64_MAX,        INT64_MAX - 1,   INT64_MIN,
                            int64_t{1} << 31, int64_t{1} << 40, int64_t{1} << 60};
  const auto at = static_cast<size_t>(draw(0, edges.size()));
  return at < edges.size() ? edges[at] : input_.ConsumeIntegral<int64_t>();
}

void BuiltStore::write(const std::string& path) {
  is_old_ = draw(0, 15) == 1;
  is_wrong_ = is_old_ || is_outside_;
  write_content(path);
  if (draw(0, 3) == 1) damage(path);
}

/// Other bits in at most eight bytes, then perhaps an end too early.
void BuiltStore::damage(const std::string& path) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  const auto bytes = static_cast<int64_t>(std::filesystem::file_size(path));
  for (int64_t i = draw(0, 7); i >= 0; --i) {
    const int64_t at = draw(0, bytes - 1);
    file.seekg(at);
    const int byte = file.get();
    file.seekp(at);
    file.put(static_cast<char>(byte ^ draw(1, 255)));
  }
  file.close();
  if (draw(0, 7) == 1) std::filesystem::resize_file(path, static_cast<uintmax_t>(draw(0, bytes)));
  is_damaged_ = true;
}

void BuiltStore::write_content(const std::string& path) {
  const data::Hdf5Lock lock;
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS));
  const auto version = is_old_ ? H5F_LIBVER_EARLIEST : H5F_LIBVER_V110;
  H5Pset_libver_bounds(access.get(), version, H5F_LIBVER_V110);
  file_ = Hdf5Handle(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()));
  require(file_.valid(), "a file can be made: " + data::hdf5_reason());

  const std::vector<uint16_t> narrow(ids_.begin(), ids_.end());
  const std::vector<uint32_t> wide(ids_.begin(), ids_.end());
  const bool is_narrow = uses_uint16(vocab_);
  const std::string stored = is_narrow ? bytes_of(narrow) : bytes_of(wide);
  const std::vector<uint64_t> checksums = {hash_text(stored)};
  is_narrow ? write_list(kTokens, H5T_STD_U16LE, narrow, promised_)
            : write_list(kTokens, H5T_STD_U32LE, wide, promised_);
  const bool is_documents_too = promised_ > 0 && input_.ConsumeBool();
  write_list(kDocuments, H5T_STD_I64LE, starts_, is_documents_too ? promised_ : 0);
  write_list(kBlockChecksums, H5T_STD_U64LE, checksums, (std::ssize(ids_) + promised_ - 1) >> 20);
  if (!model_.empty()) {
    write_list(kTokenizerModel, H5T_STD_U8LE, std::vector<char>(model_.begin(), model_.end()));
  }

  write_text(kAttrFormat, kFormatName);
  write_integer(kAttrVersion, kVersion);
  write_integer(kAttrTokens, std::ssize(ids_) + promised_);
  write_integer(kAttrDocuments, std::ssize(starts_) - 1 + (is_documents_too ? promised_ : 0));
  write_integer(kAttrVocab, vocab_);
  write_text(kAttrKind, kind_);
  write_text(kAttrSha256, sha256_);
  write_integer(kAttrBos, has_tokenizer() ? 256 : -1);
  write_integer(kAttrEos, has_tokenizer() ? 257 : -1);
  write_integer(kAttrDocumentsChecksum, std::bit_cast<int64_t>(hash_text(bytes_of(starts_))));
  require(file_.reset(), "the file can be closed");
}

// ---- attributes

void BuiltStore::write_integer(const char* name, int64_t value) {
  if (has(name, Fault::kValue)) {
    const int64_t other = other_integer(value);
    is_wrong_ |= other != value;
    value = other;
  }
  write_attribute(name, H5T_STD_I64LE, type_of(name, H5T_STD_I64LE, false),
                  {reinterpret_cast<const char*>(&value), sizeof(value)});
}

void BuiltStore::write_text(const char* name, std::string value) {
  if (has(name, Fault::kValue)) {
    const std::string other = input_.ConsumeRandomLengthString(100);
    is_wrong_ |= other.substr(0, other.find('\0')) != value;
    value = other;
  }
  const Hdf5Handle right = text_type(std::max<size_t>(value.size(), 1));
  write_attribute(name, right.get(), type_of(name, right.get(), true), value);
}

void BuiltStore::write_attribute(const char* name, hid_t right, Handle type,
                                 const std::string& bytes) {
  is_wrong_ |= has(name, Fault::kMissing) || has(name, Fault::kType);
  if (has(name, Fault::kMissing)) return;
  const Hdf5Handle space = attribute_space(name);
  const Hdf5Handle attribute(
      H5Acreate2(file_.get(), name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  if (!attribute.valid() || holds_pointers(type.get())) return;
  const hid_t memory = memory_type(right, type.get());
  H5Awrite(attribute.get(), memory, filled(bytes, memory, space.get()).data());
}

Hdf5Handle BuiltStore::attribute_space(const char* name) {
  if (!has(name, Fault::kSpace)) return Handle(H5Screate(H5S_SCALAR));
  switch (draw(0, 4)) {
    case 0:
      return Handle(H5Screate(H5S_NULL));
    case 1:
      return simple_space({1});
    case 2:
      return simple_space({2});
    case 3:
      return simple_space({0});
    default:
      return simple_space({1, 1});
  }
}

// ---- datasets

template <class T>
void BuiltStore::write_list(const char* name, hid_t type, const std::vector<T>& rows,
                            int64_t promised) {
  std::string bytes = bytes_of(rows);
  if (has(name, Fault::kValue)) {
    bytes[static_cast<size_t>(draw(0, std::ssize(bytes) - 1))] ^= 1;
    is_wrong_ = true;
  }
  write_list(name, type, type_of(name, type, false), bytes, std::ssize(rows), promised);
}

void BuiltStore::write_list(const char* name, hid_t right, Handle type, const std::string& bytes,
                            int64_t rows, int64_t promised) {
  const bool is_optional = name == std::string_view(kTokenizerModel);
  is_wrong_ |= !is_optional && (has(name, Fault::kMissing) || has(name, Fault::kType));
  if (has(name, Fault::kMissing)) return;
  if (has(name, Fault::kObject)) return write_object(name);
  bool is_written = !holds_pointers(type.get());
  const bool is_growing = promised > 0;
  const Handle properties = layout(name, is_growing ? kNever : rows, is_written);
  const Handle space = is_growing ? simple_space({static_cast<hsize_t>(rows + promised)}, true)
                                  : list_space(name, rows);
  const Handle list(H5Dcreate2(file_.get(), name, type.get(), space.get(), H5P_DEFAULT,
                               properties.get(), H5P_DEFAULT));
  if (!list.valid() || !is_written) return;
  if (is_growing) {
    const hsize_t first = 0, count = static_cast<hsize_t>(rows);
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &first, nullptr, &count, nullptr);
  }
  const hid_t memory = memory_type(right, type.get());
  const Handle target = simple_space({static_cast<hsize_t>(H5Sget_select_npoints(space.get()))});
  H5Dwrite(list.get(), memory, target.get(), space.get(), H5P_DEFAULT,
           filled(bytes, memory, space.get()).data());
}

void BuiltStore::write_object(const char* name) {
  switch (draw(0, 4)) {
    case 0:
      Handle(H5Gcreate2(file_.get(), name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
      return;
    case 1: {
      const Handle type = copy(H5T_STD_U16LE);
      H5Tcommit2(file_.get(), name, type.get(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
      return;
    }
    case 2:
      H5Lcreate_soft(kPlaces[static_cast<size_t>(draw(0, std::ssize(kPlaces) - 1))], file_.get(),
                     name, H5P_DEFAULT, H5P_DEFAULT);
      return;
    case 3:
      H5Lcreate_external("/dev/null", name, file_.get(), name, H5P_DEFAULT, H5P_DEFAULT);
      return;
    default:
      H5Lcreate_hard(file_.get(), kTokens, file_.get(), name, H5P_DEFAULT, H5P_DEFAULT);
  }
}

Hdf5Handle BuiltStore::list_space(const char* name, int64_t rows) {
  const auto extent = static_cast<hsize_t>(rows);
  if (!has(name, Fault::kSpace)) return simple_space({extent});
  switch (draw(0, 5)) {
    case 0:
      return Handle(H5Screate(H5S_SCALAR));
    case 1:
      return Handle(H5Screate(H5S_NULL));
    case 2:
      return simple_space({extent, 1});
    case 3:
      return simple_space({extent + 1});
    case 4:
      return simple_space({extent - 1});
    default:
      return simple_space({0});
  }
}

Hdf5Handle BuiltStore::layout(const char* name, int64_t rows, bool& is_written) {
  Handle list(H5Pcreate(H5P_DATASET_CREATE));
  const auto chunk = static_cast<hsize_t>(kChunkRows);
  if (rows == kNever) H5Pset_chunk(list.get(), 1, &chunk);
  if (!has(name, Fault::kStorage)) return list;
  const int64_t kind = draw(0, 8);
  is_written = is_written && kind > 1;
  if (kind >= 1 && kind <= 6) {
    // HDF5 fills a whole chunk in memory before it writes one row.
    const auto other_chunk = static_cast<hsize_t>(draw(1, is_written ? 1 << 16 : INT32_MAX));
    H5Pset_chunk(list.get(), 1, input_.ConsumeBool() ? &chunk : &other_chunk);
  }
  if (kind == 3) H5Pset_deflate(list.get(), 1);
  if (kind == 4) H5Pset_shuffle(list.get());
  if (kind == 4 || kind == 5) H5Pset_fletcher32(list.get());
  if (kind == 6) H5Pset_scaleoffset(list.get(), H5Z_SO_INT, 0);
  if (kind == 7) H5Pset_external(list.get(), "/dev/zero", 0, H5F_UNLIMITED);
  if (kind == 7) is_written = false;
  if (kind == 8) H5Pset_layout(list.get(), H5D_COMPACT);
  return list;
}

// ---- types

Hdf5Handle BuiltStore::type_of(const char* name, hid_t right, bool is_text) {
  if (has(name, Fault::kType)) return other_class(is_text);
  if (!has(name, Fault::kOddType)) return copy(right);
  return is_text ? odd_text(H5Tget_size(right)) : odd_integer();
}

Hdf5Handle BuiltStore::other_class(bool is_text) {
  constexpr hsize_t kTwo = 2;
  switch (draw(0, 7)) {
    case 0:
      return copy(H5T_IEEE_F64LE);
    case 1:
      return is_text ? copy(H5T_STD_I64LE) : text_type(8);
    case 2: {
      Handle type = text_type(1);
      H5Tset_size(type.get(), H5T_VARIABLE);
      return type;
    }
    case 3: {
      Handle type(H5Tcreate(H5T_COMPOUND, 8));
      H5Tinsert(type.get(), "member", 0, H5T_STD_I64LE);
      return type;
    }
    case 4:
      return Handle(H5Tarray_create2(H5T_STD_I64LE, 1, &kTwo));
    case 5:
      return Handle(H5Tcreate(H5T_OPAQUE, 8));
    case 6:
      return copy(H5T_STD_REF_OBJ);
    default:
      return Handle(H5Tvlen_create(H5T_STD_I64LE));
  }
}

Hdf5Handle BuiltStore::odd_integer() {
  const std::array types = {H5T_STD_I8LE,  H5T_STD_U16BE, H5T_STD_I16LE, H5T_STD_I32BE,
                            H5T_STD_U64LE, H5T_STD_I64BE, H5T_STD_B64LE};
  const auto at = static_cast<size_t>(draw(0, types.size()));
  if (at < types.size()) return copy(types[at]);
  Handle type = copy(H5T_STD_I64LE);
  H5Tset_precision(type.get(), static_cast<size_t>(draw(1, 60)));
  H5Tset_offset(type.get(), static_cast<size_t>(draw(0, 4)));
  return type;
}

Hdf5Handle BuiltStore::odd_text(size_t bytes) {
  Handle type = text_type(input_.ConsumeBool() ? bytes : static_cast<size_t>(draw(1, 1 << 17)));
  H5Tset_strpad(type.get(), static_cast<H5T_str_t>(draw(H5T_STR_NULLTERM, H5T_STR_SPACEPAD)));
  H5Tset_cset(type.get(), static_cast<H5T_cset_t>(draw(H5T_CSET_ASCII, H5T_CSET_UTF8)));
  return type;
}

}  // namespace lckv::fuzz
