#include "lckv/checkpoint/hf_tensor_file.h"

#include <algorithm>
#include <vector>

#include "lckv/base/text.h"

namespace lckv::checkpoint {

namespace {

constexpr int64_t kChunkElems = 1 << 18;

SafetensorsHeader lay_out(std::span<const SafetensorsWriter::Declared> tensors) {
  SafetensorsHeader header;
  header.metadata = {{"format", "pt"}};  // the Transformers library asks for it
  int64_t offset = 0;
  for (const auto& tensor : tensors) {
    const int64_t begin = offset;
    LCKV_CHECK(tensor.shape.numel() > 0, format("tensor '{}' is empty", tensor.name));
    offset += tensor.shape.numel() * size_bytes(tensor.dtype);
    header.entries.push_back(
        {tensor.name, stored_type_of(tensor.dtype), tensor.shape, begin, offset});
  }
  return header;
}

void write_converted(AtomicFile& file, const ConstView& from, StoredType type) {
  const auto* bytes = static_cast<const std::byte*>(from.raw());
  if (stored_type_of(from.dtype()) == type) {
    file.write(bytes, static_cast<size_t>(from.bytes()));
    return;
  }
  const int64_t count = from.numel();
  std::vector<std::byte> chunk(
      static_cast<size_t>(std::min(count, kChunkElems) * size_bytes(type)));
  for (int64_t done = 0; done < count; done += kChunkElems) {
    const int64_t elems = std::min(kChunkElems, count - done);
    convert(bytes + done * size_bytes(from.dtype()), from.dtype(), chunk.data(), type, elems);
    file.write(chunk.data(), static_cast<size_t>(elems * size_bytes(type)));
  }
}

}  // namespace

HfTensorFile::HfTensorFile(const std::filesystem::path& path,
                           std::span<const SafetensorsWriter::Declared> tensors)
    : header_(lay_out(tensors)), file_(path) {
  const std::string text = format_safetensors_header(header_, path);
  const uint64_t length = text.size();
  file_.write(&length, sizeof(length));
  file_.write(text.data(), text.size());
}

void HfTensorFile::append(const std::string& name, const ConstView& part) {
  LCKV_CHECK(!complete() && header_.entries[next_].name == name,
             format("tensor '{}' is not the next one declared", name));
  const auto& to = header_.entries[next_];
  LCKV_CHECK(part && part.is_contiguous() && part.device().kind == DeviceKind::kCpu &&
                 convertible(stored_type_of(part.dtype()), dtype_of(to.type)),
             format("writing '{}' ({}) from {}", name, spelling(to.type), part.describe()));
  given_elems_ += part.numel();
  LCKV_CHECK(given_elems_ <= to.shape.numel(), format("tensor '{}' has {} elements, given are {}",
                                                      name, to.shape.numel(), given_elems_));
  write_converted(file_, part, to.type);
  if (given_elems_ < to.shape.numel()) return;
  ++next_;
  given_elems_ = 0;
}

void HfTensorFile::finish() {
  LCKV_CHECK(complete(), format("tensor '{}' was declared and given up to element {}",
                                header_.entries[next_].name, given_elems_));
  file_.commit();
}

}  // namespace lckv::checkpoint
