#include <algorithm>
#include <array>
#include <bit>
#include <functional>

#include "lckv/base/text.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

namespace {

constexpr int64_t kLengthBytes = 8;
constexpr int64_t kChunkBytes = 1 << 20;

/// Calls `visit(first, count)` for every run of elements of `slice` that are neighbours in the
/// whole tensor, in order; `first` counts elements of the whole.
void for_each_run(const Shape& whole, const Slice& slice,
                  const std::function<void(int64_t first, int64_t count)>& visit) {
  if (slice.shape().numel() == 0) return;
  int inner = whole.rank();  // axes inner.. are taken whole, so that axis inner-1 gives runs
  int64_t inner_elems = 1;
  while (inner > 0) {
    const auto axis = static_cast<size_t>(inner - 1);
    if (slice.begin[axis] != 0 || slice.end[axis] != whole[inner - 1]) break;
    inner_elems *= whole[--inner];
  }
  if (inner == 0) return visit(0, inner_elems);

  const auto run_axis = static_cast<size_t>(inner - 1);
  const int64_t count = (slice.end[run_axis] - slice.begin[run_axis]) * inner_elems;
  std::vector<int64_t> at(slice.begin.begin(), slice.begin.begin() + inner);
  for (;;) {
    int64_t first = 0;
    for (int axis = 0; axis < inner; ++axis)
      first = first * whole[axis] + at[static_cast<size_t>(axis)];
    visit(first * inner_elems, count);
    size_t axis = run_axis;
    while (axis > 0 && ++at[axis - 1] == slice.end[axis - 1]) {
      at[axis - 1] = slice.begin[axis - 1];
      --axis;
    }
    if (axis == 0) return;
  }
}

/// Elements stored at byte `begin`, converted by way of a buffer when the types differ.
void read_elements(const InputFile& file, int64_t begin, StoredType type, std::byte* to,
                   DType to_type, int64_t count) {
  if (stored_type_of(to_type) == type) {
    file.read(begin, to, count * size_bytes(type));
    return;
  }
  const int64_t chunk_elems = kChunkBytes / size_bytes(type);
  std::vector<std::byte> chunk(
      static_cast<size_t>(std::min(count, chunk_elems) * size_bytes(type)));
  for (int64_t done = 0; done < count; done += chunk_elems) {
    const int64_t elems = std::min(chunk_elems, count - done);
    file.read(begin + done * size_bytes(type), chunk.data(), elems * size_bytes(type));
    convert(chunk.data(), type, to + done * size_bytes(to_type), to_type, elems);
  }
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::filesystem::path& path) {
  InputFile file(path);
  if (file.bytes() < kLengthBytes) {
    throw DataError(
        format("{}: has {} bytes, too few for a safetensors file, which starts with the "
               "8-byte length of its header",
               path.string(), file.bytes()));
  }
  std::array<unsigned char, kLengthBytes> raw_length{};
  file.read(0, raw_length.data(), kLengthBytes);
  const auto length = std::bit_cast<uint64_t>(raw_length);
  if (length > static_cast<uint64_t>(SafetensorsHeader::kLimitBytes)) {
    throw DataError(
        format("{}: header of {} bytes is longer than the limit of {}; probably not a "
               "safetensors file",
               path.string(), length, SafetensorsHeader::kLimitBytes));
  }
  const auto header_bytes = static_cast<int64_t>(length);
  const int64_t data_bytes = file.bytes() - kLengthBytes - header_bytes;
  if (data_bytes < 0) {
    throw DataError(format("{}: header of {} bytes does not fit into the file of {} bytes",
                           path.string(), header_bytes, file.bytes()));
  }
  std::string text(static_cast<size_t>(header_bytes), '\0');
  file.read(kLengthBytes, text.data(), header_bytes);
  SafetensorsHeader header = parse_safetensors_header(text, data_bytes, path);
  return {std::move(file), std::move(header), kLengthBytes + header_bytes};
}

SafetensorsFile::SafetensorsFile(InputFile file, SafetensorsHeader header, int64_t data_begin)
    : file_(std::move(file)), header_(std::move(header)), data_begin_(data_begin) {
  for (size_t i = 0; i < header_.entries.size(); ++i) {
    names_.push_back(header_.entries[i].name);
    index_.emplace(header_.entries[i].name, i);
  }
}

const SafetensorsHeader::Entry& SafetensorsFile::entry(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) {
    const std::string near = nearest_word(name, names_);
    throw DataError(format("{}: has no tensor '{}'{}", path().string(), name,
                           near.empty() ? "" : format("; did you mean '{}'?", near)));
  }
  return header_.entries[found->second];
}

TensorInfo SafetensorsFile::info(const std::string& name) const {
  const auto& found = entry(name);
  return {dtype_of(found.type), found.shape};
}

SafetensorsFile::ByteRange SafetensorsFile::bytes_of(const std::string& name) const {
  const auto& found = entry(name);
  return {data_begin_ + found.begin, data_begin_ + found.end};
}

void SafetensorsFile::read(const std::string& name, const View& to) const {
  read_slice(name, Slice::whole(entry(name).shape), to);
}

void SafetensorsFile::read_slice(const std::string& name, const Slice& slice,
                                 const View& to) const {
  const auto& from = entry(name);
  LCKV_CHECK(to && to.is_contiguous() && to.device().kind == DeviceKind::kCpu,
             format("reading '{}' into {}: not contiguous host memory", name, to.describe()));
  if (!slice.fits(from.shape)) {
    throw DataError(format("{}: tensor '{}': slice {} does not lie in shape {}", path().string(),
                           name, to_string(slice), to_string(from.shape)));
  }
  if (slice.shape() != to.shape()) {
    throw DataError(format("{}: tensor '{}': expected shape {}, the file has {}", path().string(),
                           name, to_string(to.shape()), to_string(slice.shape())));
  }
  if (!convertible(from.type, to.dtype())) {
    throw DataError(format("{}: tensor '{}': expected dtype {}, the file has {}", path().string(),
                           name, lckv::name(to.dtype()), spelling(from.type)));
  }
  auto* next = static_cast<std::byte*>(to.raw());
  for_each_run(from.shape, slice, [&](int64_t first, int64_t count) {
    const int64_t begin = data_begin_ + from.begin + first * size_bytes(from.type);
    read_elements(file_, begin, from.type, next, to.dtype(), count);
    next += count * size_bytes(to.dtype());
  });
}

}  // namespace lckv::checkpoint
