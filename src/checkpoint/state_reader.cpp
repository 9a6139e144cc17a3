#include "lckv/checkpoint/state_reader.h"

#include <algorithm>
#include <vector>

#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/tensor/transfer.h"

namespace lckv::checkpoint {

namespace {

constexpr int64_t kChunkBytes = int64_t{1} << 22;
constexpr size_t kOpenFiles = 64;  // a state may have thousands; a process, few descriptors

/// `inner` as the slice `outer` counts it.
Slice relative_to(const Slice& inner, const Slice& outer) {
  Slice relative = inner;
  for (size_t axis = 0; axis < inner.begin.size(); ++axis) {
    relative.begin[axis] -= outer.begin[axis];
    relative.end[axis] -= outer.begin[axis];
  }
  return relative;
}

View part_of(View view, const Slice& slice) {
  for (size_t axis = 0; axis < slice.begin.size(); ++axis) {
    view = view.slice(static_cast<int>(axis), slice.begin[axis], slice.end[axis]);
  }
  return view;
}

/// A box as boxes of whole rows of it, of about kChunkBytes; a scalar as it is.
std::vector<Slice> cut_by_rows(const Slice& box, int64_t elem_bytes) {
  const Shape shape = box.shape();
  if (shape.rank() == 0) return {box};
  const int64_t row_bytes = std::max<int64_t>(shape.numel() / shape[0] * elem_bytes, 1);
  const int64_t rows_at_once = std::max<int64_t>(kChunkBytes / row_bytes, 1);
  std::vector<Slice> cut;
  for (int64_t row = box.begin[0]; row < box.end[0]; row += rows_at_once) {
    cut.push_back(box);
    cut.back().begin[0] = row;
    cut.back().end[0] = std::min(row + rows_at_once, box.end[0]);
  }
  return cut;
}

/// Elements in row-major order into a view of that shape with any strides.
void scatter(const std::byte*& from, DType from_type, const View& to, int axis) {
  if (to.is_contiguous()) {
    convert(from, stored_type_of(from_type), static_cast<std::byte*>(to.raw()), to.dtype(),
            to.numel());
    from += to.numel() * size_bytes(from_type);
    return;
  }
  for (int64_t i = 0; i < to.dim(axis); ++i) {
    scatter(from, from_type, to.slice(axis, i, i + 1), axis + 1);
  }
}

}  // namespace

StateReader::StateReader(const std::filesystem::path& state_folder)
    : path_(state_folder), manifest_(read_manifest(state_folder)) {}

TensorInfo StateReader::info(const std::string& tensor) const {
  const auto found = manifest_.tensors.find(tensor);
  if (found == manifest_.tensors.end()) {
    throw DataError(format("{}: the state has no tensor '{}' (it has {})", path_.string(), tensor,
                           manifest_.tensors.size()));
  }
  return {found->second.dtype, found->second.global_shape};
}

void StateReader::read(const std::string& tensor, const Slice& slice, const View& to) {
  const TensorInfo saved = info(tensor);
  if (!slice.fits(saved.shape)) {
    throw DataError(format("{}: tensor '{}': slice {} does not lie in shape {}", path_.string(),
                           tensor, to_string(slice), to_string(saved.shape)));
  }
  LCKV_CHECK(
      to && to.shape() == slice.shape() && convertible(stored_type_of(saved.dtype), to.dtype()),
      format("reading '{}' {} into {}", tensor, to_string(slice), to.describe()));
  if (to.device().kind == DeviceKind::kCuda) {
    const Buffer host(to.dtype(), to.shape());
    read(tensor, slice, host.view());
    return set_from_host(to, host.view());
  }
  for (const Manifest::Piece& piece : manifest_.tensors.at(tensor).pieces) {
    if (intersection(piece.slice, slice)) read_piece(tensor, piece, slice, to);
  }
}

const SafetensorsFile& StateReader::file(const std::string& name) {
  const auto found = files_.find(name);
  if (found != files_.end()) return found->second;
  if (files_.size() >= kOpenFiles) files_.clear();
  return files_.emplace(name, SafetensorsFile::open(path_ / name)).first->second;
}

void StateReader::require_as_listed(const std::string& tensor, const Manifest::Piece& piece,
                                    const SafetensorsFile& from) const {
  const Manifest::Tensor& saved = manifest_.tensors.at(tensor);
  const std::string name = piece_name(tensor, saved.global_shape, piece.slice);
  const TensorInfo stored = from.info(name);
  const int64_t offset = from.bytes_of(name).begin;
  if (stored.dtype == saved.dtype && stored.shape == piece.slice.shape() &&
      offset == piece.offset) {
    return;
  }
  throw DataError(
      format("{}: tensor '{}': the manifest says {}{} from byte {} on, the file has "
             "{}{} from byte {} on",
             from.path().string(), name, lckv::name(saved.dtype), to_string(piece.slice.shape()),
             piece.offset, lckv::name(stored.dtype), to_string(stored.shape), offset));
}

void StateReader::read_piece(const std::string& tensor, const Manifest::Piece& piece,
                             const Slice& slice, const View& to) {
  const Manifest::Tensor& saved = manifest_.tensors.at(tensor);
  const SafetensorsFile& from = file(piece.file);
  require_as_listed(tensor, piece, from);
  const std::string name = piece_name(tensor, saved.global_shape, piece.slice);
  const Slice wanted = *intersection(piece.slice, slice);
  const View target = part_of(to, relative_to(wanted, slice));
  const Slice box = relative_to(wanted, piece.slice);
  StreamHash hash;
  std::vector<std::byte> chunk;
  for (const Slice& rows : cut_by_rows(box, size_bytes(saved.dtype))) {
    chunk.resize(static_cast<size_t>(rows.shape().numel() * size_bytes(saved.dtype)));
    from.read_slice(name, rows, View(chunk.data(), saved.dtype, rows.shape()));
    hash.update(chunk.data(), chunk.size());
    read_bytes_ += static_cast<int64_t>(chunk.size());
    const std::byte* next = chunk.data();
    scatter(next, saved.dtype, part_of(target, relative_to(rows, box)), 0);
  }
  if (wanted != piece.slice || hash.digest() == piece.xxh3) return;
  throw DataError(format("{}: tensor '{}' is damaged: checksum {}, the manifest says {}",
                         from.path().string(), name, hash_digits(hash.digest()),
                         hash_digits(piece.xxh3)));
}

}  // namespace lckv::checkpoint
