// Bytes to checkpoint::SafetensorsFile. The first one says what the rest is:
//   f      a whole file
//   other  number of data bytes (2 bytes, little-endian), then the header's text: its length and
//          some data are put around it, so that a longer header is still a file
// What is accepted is read whole, in every floating dtype, in slices, written again and compared.
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "json_mutator.h"
#include "lckv/base/random.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/tensor/buffer.h"
#include "scratch.h"

namespace lckv::fuzz {
namespace {

using checkpoint::SafetensorsFile;
using checkpoint::SafetensorsHeader;
using checkpoint::Slice;
using json = nlohmann::ordered_json;

std::string bytes_of(const ConstView& view) {
  return {static_cast<const char*>(view.raw()), static_cast<size_t>(view.bytes())};
}

bool equal(const ConstView& a, const ConstView& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && bytes_of(a) == bytes_of(b);
}

Buffer read(const SafetensorsFile& file, const std::string& name) {
  const auto info = file.info(name);
  Buffer whole(info.dtype, info.shape);
  file.read(name, whole.view());
  return whole;
}

/// A box of the shape, any from empty to whole, chosen by `rng`.
Slice random_slice(const Shape& shape, const CounterRng& rng) {
  Slice slice = Slice::whole(shape);
  for (size_t axis = 0; axis < slice.begin.size(); ++axis) {
    const auto extent = static_cast<uint64_t>(slice.end[axis]);
    const uint64_t a = rng.below(2 * axis, extent + 1), b = rng.below(2 * axis + 1, extent + 1);
    slice.begin[axis] = static_cast<int64_t>(std::min(a, b));
    slice.end[axis] = static_cast<int64_t>(std::max(a, b));
  }
  return slice;
}

/// The elements of `slice`, one by one.
std::string picked(const ConstView& whole, const Slice& slice) {
  const Shape shape = slice.shape();
  const auto elem_bytes = static_cast<size_t>(size_bytes(whole.dtype()));
  std::string picked;
  for (int64_t i = 0; i < shape.numel(); ++i) {
    int64_t rest = i;
    const auto* from = static_cast<const char*>(whole.raw());
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      const int64_t at = slice.begin[static_cast<size_t>(axis)] + rest % shape[axis];
      from += at * whole.stride(axis) * static_cast<int64_t>(elem_bytes);
      rest /= shape[axis];
    }
    picked.append(from, elem_bytes);
  }
  return picked;
}

void check_slices(const SafetensorsFile& file, const std::string& name, const ConstView& whole) {
  for (uint64_t trial = 0; trial < 3; ++trial) {
    const Slice slice = random_slice(whole.shape(), CounterRng(hash_text(name), trial));
    Buffer part(whole.dtype(), slice.shape());
    file.read_slice(name, slice, part.view());
    require(bytes_of(part.view()) == picked(whole, slice), "a slice is a part of the whole");
  }
}

/// A wrong shape, slice or dtype is refused, not read past the end.
void check_refusals(const SafetensorsFile& file, const std::string& name, const ConstView& whole) {
  Buffer scalar(whole.dtype(), {});
  const bool scalar_fits = whole.shape() == Shape{};
  require(accepts([&] { file.read(name, scalar.view()); }) == scalar_fits,
          "a scalar is read from a scalar alone");
  Slice outside = Slice::whole(whole.shape());
  if (outside.end.empty()) return;
  outside.end.back() += 1;
  outside.begin.back() = outside.end.back();  // empty, and still not inside
  Buffer part(whole.dtype(), outside.shape());
  require(!accepts([&] { file.read_slice(name, outside, part.view()); }),
          "a slice outside of the tensor is refused");
}

void check_conversions(const SafetensorsFile& file, const std::string& name,
                       const ConstView& whole) {
  const bool is_integer = whole.dtype() == DType::kI32 || whole.dtype() == DType::kI64;
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
    Buffer other(dtype, whole.shape());
    const bool read = accepts([&] { file.read(name, other.view()); });
    require(read == !is_integer, "floating tensors are converted, integers are not");
    if (dtype != DType::kF64 || whole.dtype() != DType::kF32) continue;
    for (int64_t i = 0; i < whole.numel(); ++i) {
      const float narrow = whole.data<float>()[i];
      const double wide = other.view().data<double>()[i];
      require(std::isnan(narrow) ? std::isnan(wide) : narrow == wide, "widening is exact");
    }
  }
}

void check_written_again(const SafetensorsFile& file, const std::vector<Buffer>& tensors) {
  static const ScratchFolder folder;
  std::vector<checkpoint::NamedTensor> named;
  for (size_t i = 0; i < tensors.size(); ++i) {
    named.push_back({file.names()[i], tensors[i].view(), tensors[i].view().dtype()});
  }
  checkpoint::write_safetensors(folder.path() / "again", named, file.metadata());
  const auto again = SafetensorsFile::open(folder.path() / "again");
  require(again.names().size() == file.names().size() && again.metadata() == file.metadata(),
          "as many tensors, and the same metadata, after writing");
  for (size_t i = 0; i < tensors.size(); ++i) {
    require(equal(read(again, file.names()[i]).view(), tensors[i].view()),
            "tensors are equal after writing");
  }
}

void check_use(const SafetensorsFile& file) {
  std::vector<Buffer> tensors;
  int64_t next_begin = file.data_begin();
  for (const std::string& name : file.names()) {
    const auto range = file.bytes_of(name);
    require(range.begin == next_begin && range.end >= range.begin, "data lies back to back");
    next_begin = range.end;
    const ConstView whole = tensors.emplace_back(read(file, name)).view();
    check_slices(file, name, whole);
    check_refusals(file, name, whole);
    check_conversions(file, name, whole);
  }
  require(!accepts([&] { file.info("no such tensor"); }) || file.contains("no such tensor"),
          "a tensor that is not there is refused");
  check_written_again(file, tensors);
}

std::string counted_bytes(size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>(i * 37 + i / 256);
  return bytes;
}

std::string with_length_and_data(const std::string& header, size_t data_bytes) {
  static const std::string data = counted_bytes(size_t{1} << 16);
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + header +
         data.substr(0, data_bytes);
}

std::string file_from(Input input) {
  if (input.byte() == 'f') return input.rest();
  const size_t data_bytes = input.word();
  return with_length_and_data(input.rest(), data_bytes);
}

/// Bytes of the tensor that an entry of a header describes; 0 when it describes none.
uint64_t bytes_described(const json& entry) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry.contains("shape")) return 0;
  const json &dtype = entry["dtype"], &shape = entry["shape"];
  const auto type =
      dtype.is_string() ? checkpoint::stored_type_from(dtype.get<std::string>()) : std::nullopt;
  auto bytes = static_cast<uint64_t>(type ? checkpoint::size_bytes(*type) : 1);
  for (const json& extent : shape) bytes *= extent.is_number_integer() ? extent.get<uint64_t>() : 0;
  return bytes;
}

/// Most of the time, offsets and amount of data that fit shapes and dtypes again.
void repair(uint8_t* head, json& header, Dice& dice) {
  if (below(dice, 4) == 0 || !header.is_object()) return;
  uint64_t at = 0;
  for (json& entry : header) {
    if (!entry.is_object() || !entry.contains("data_offsets")) continue;
    const uint64_t begin = at;
    at += bytes_described(entry);
    entry["data_offsets"] = {begin, at};
  }
  head[1] = static_cast<uint8_t>(at);
  head[2] = static_cast<uint8_t>(at >> 8);
}

}  // namespace
}  // namespace lckv::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  constexpr size_t kHeadBytes = 3;
  return lckv::fuzz::mutate_input(data, size, max_size, seed, kHeadBytes, lckv::fuzz::repair);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lckv::fuzz;
  static const MemoryFile file;
  file.put(file_from({data, size}));
  std::optional<lckv::checkpoint::SafetensorsFile> opened;
  if (!accepts([&] { opened.emplace(lckv::checkpoint::SafetensorsFile::open(file.path())); })) {
    return 0;
  }
  check_use(*opened);
  return 0;
}
