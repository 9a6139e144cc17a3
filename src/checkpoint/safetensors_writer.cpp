#include <algorithm>
#include <bit>

#include "lckv/base/random.h"
#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/safetensors.h"
#include "lckv/tensor/transfer.h"

namespace lckv::checkpoint {

namespace {

constexpr int64_t kChunkElems = 1 << 18;

SafetensorsHeader lay_out(const std::vector<SafetensorsWriter::Declared>& tensors,
                          std::map<std::string, std::string> metadata) {
  SafetensorsHeader header;
  header.metadata = std::move(metadata);
  int64_t offset = 0;
  for (const auto& tensor : tensors) {
    const int64_t begin = offset;
    offset += tensor.shape.numel() * size_bytes(tensor.dtype);
    header.entries.push_back(
        {tensor.name, stored_type_of(tensor.dtype), tensor.shape, begin, offset});
  }
  return header;
}

}  // namespace

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     const std::vector<Declared>& tensors,
                                     std::map<std::string, std::string> metadata)
    : header_(lay_out(tensors, std::move(metadata))), file_(path) {
  const std::string text = format_safetensors_header(header_, path);
  const uint64_t length = text.size();
  file_.write(&length, sizeof(length));
  file_.write(text.data(), text.size());
  data_begin_ = static_cast<int64_t>(sizeof(length) + text.size());
}

SafetensorsWriter::Written SafetensorsWriter::write(const std::string& name,
                                                    const ConstView& given) {
  const OnHost on_host(given);
  const ConstView from = on_host.view();
  LCKV_CHECK(next_ < header_.entries.size() && header_.entries[next_].name == name,
             format("tensor '{}' is not the next one declared", name));
  const auto& to = header_.entries[next_++];
  LCKV_CHECK(from && from.is_contiguous(),
             format("writing '{}' from {}: not contiguous", name, from.describe()));
  LCKV_CHECK(
      from.shape() == to.shape && convertible(stored_type_of(from.dtype()), dtype_of(to.type)),
      format("tensor '{}' was declared {}{}, got {}", name, spelling(to.type), to_string(to.shape),
             from.describe()));
  const auto* bytes = static_cast<const std::byte*>(from.raw());
  const int64_t offset = data_begin_ + to.begin;
  if (stored_type_of(from.dtype()) == to.type) {
    file_.write(bytes, static_cast<size_t>(from.bytes()));
    return {offset, hash_bytes(bytes, static_cast<size_t>(from.bytes()))};
  }
  StreamHash hash;
  const int64_t count = from.numel();
  std::vector<std::byte> chunk(
      static_cast<size_t>(std::min(count, kChunkElems) * size_bytes(to.type)));
  for (int64_t done = 0; done < count; done += kChunkElems) {
    const int64_t elems = std::min(kChunkElems, count - done);
    convert(bytes + done * size_bytes(from.dtype()), from.dtype(), chunk.data(), to.type, elems);
    const auto chunk_bytes = static_cast<size_t>(elems * size_bytes(to.type));
    file_.write(chunk.data(), chunk_bytes);
    hash.update(chunk.data(), chunk_bytes);
  }
  return {offset, hash.digest()};
}

FileSummary SafetensorsWriter::finish() {
  LCKV_CHECK(next_ == header_.entries.size(),
             format("tensor '{}' was declared and not written", header_.entries[next_].name));
  return file_.commit();
}

FileSummary write_safetensors(const std::filesystem::path& path,
                              std::span<const NamedTensor> tensors,
                              std::map<std::string, std::string> metadata) {
  std::vector<NamedTensor> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(), [](const NamedTensor& a, const NamedTensor& b) {
    return size_bytes(a.stored_dtype) > size_bytes(b.stored_dtype);
  });
  std::vector<SafetensorsWriter::Declared> declared;
  for (const auto& tensor : ordered) {
    declared.push_back({tensor.name, tensor.stored_dtype, tensor.view.shape()});
  }
  SafetensorsWriter writer(path, declared, std::move(metadata));
  for (const auto& tensor : ordered) writer.write(tensor.name, tensor.view);
  return writer.finish();
}

}  // namespace lckv::checkpoint
