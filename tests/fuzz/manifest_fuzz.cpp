// Text to checkpoint::parse_manifest. The first byte says what the rest is:
//   c      a manifest without its checksum: the right one is put into it
//   other  the whole text
// An accepted manifest is written and read again, and used to read the files of a state of two
// ranks that lies beside it (rank-00000.safetensors, rank-00001.safetensors; corpus/manifest/state
// is its own manifest).
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "json_mutator.h"
#include "lckv/base/random.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_reader.h"
#include "lckv/tensor/buffer.h"
#include "scratch.h"

namespace lckv::fuzz {
namespace {

using checkpoint::Manifest;
using checkpoint::NamedTensor;
using checkpoint::Slice;
using checkpoint::StateReader;
using nlohmann::json;

constexpr std::string_view kBeforeDigits = "{\n  \"checksum\": \"";
constexpr std::string_view kZeros = "0000000000000000";
constexpr std::string_view kAfterDigits = "\",";

std::string manifest_text(Input input) {
  const bool is_whole = input.byte() != 'c';
  if (is_whole || input.rest().empty()) return input.rest();
  std::string text = format("{}{}{}", kBeforeDigits, kZeros, kAfterDigits);
  text += input.rest().substr(1);  // behind its brace
  text.replace(kBeforeDigits.size(), kZeros.size(), checkpoint::hash_digits(hash_text(text)));
  return text;
}

std::optional<Manifest> parsed(const std::string& text) {
  std::optional<Manifest> manifest;
  accepts([&] { manifest = checkpoint::parse_manifest(text, "manifest.json"); });
  return manifest;
}

Buffer counted(DType dtype, const Shape& shape) {
  Buffer buffer(dtype, shape);
  for (int64_t i = 0; i < buffer.bytes(); ++i) {
    static_cast<uint8_t*>(buffer.raw())[i] = static_cast<uint8_t>(i + 1);
  }
  return buffer;
}

void write_files(const std::filesystem::path& folder) {
  const Buffer a = counted(DType::kF32, {2, 3}), b = counted(DType::kBF16, {2, 2}),
               rest = counted(DType::kBF16, {1, 2}), scalar = counted(DType::kF64, {}),
               empty = counted(DType::kI64, {0, 4, 3});
  checkpoint::write_safetensors(folder / "rank-00000.safetensors",
                                std::vector<NamedTensor>{{"a", a.view(), DType::kF32},
                                                         {"b[0:2, 0:2]", b.view(), DType::kBF16}});
  checkpoint::write_safetensors(
      folder / "rank-00001.safetensors",
      std::vector<NamedTensor>{{"scalar", scalar.view(), DType::kF64},
                               {"empty", empty.view(), DType::kI64},
                               {"b[2:3, 0:2]", rest.view(), DType::kBF16}});
}

/// Whether all that `part` says stands in `whole`, spelled alike.
bool says(const json& whole, const json& part) {
  if (!part.is_structured()) return whole.dump() == part.dump();
  if (whole.type() != part.type() || (part.is_array() && whole.size() != part.size())) return false;
  for (auto member = part.begin(); member != part.end(); ++member) {
    const bool is_there = part.is_array() || whole.contains(member.key());
    if (!is_there) return false;
    const json& other =
        part.is_array() ? whole[static_cast<size_t>(member - part.begin())] : whole[member.key()];
    if (!says(other, *member)) return false;
  }
  return true;
}

void check_written_again(const Manifest& manifest, const std::string& read_text) {
  const std::string text = format_manifest(manifest);
  const auto again = parsed(text);
  require(again.has_value(), "what format_manifest writes is accepted:\n" + text);
  require(format_manifest(*again) == text, "a manifest is read as written:\n" + text);
  json written = json::parse(text);
  written.erase("checksum");
  require(says(json::parse(read_text), written), "nothing is read that was not there:\n" + text);
}

void check_damage_is_noticed(const Manifest& manifest) {
  constexpr uint64_t kTrials = 16;
  const std::string text = format_manifest(manifest);
  const CounterRng rng(text.size(), hash_text(text));
  for (uint64_t trial = 0; trial < kTrials; ++trial) {
    std::string damaged = text;
    damaged[rng.below(2 * trial, text.size())] ^=
        static_cast<char>(1 << rng.below(2 * trial + 1, 8));
    require(!parsed(damaged), "a flipped bit is noticed");
  }
}

void check_pieces(const Manifest& manifest) {
  for (const auto& [name, tensor] : manifest.tensors) {
    int64_t elems = 0;
    for (const auto& piece : tensor.pieces) {
      require(piece.slice.fits(tensor.global_shape), "pieces lie in their tensor");
      require(manifest.files.contains(piece.file), "pieces lie in a listed file");
      elems += piece.slice.shape().numel();
    }
    require(elems == tensor.global_shape.numel(), "pieces cover their tensor");
  }
}

/// What is read as a whole can be read in parts, and is the same.
void check_rows(StateReader& state, const std::string& name, const ConstView& whole) {
  if (whole.rank() == 0) return;
  constexpr int64_t kMaxRows = 64;  // of no elements there may be very many
  for (int64_t row = 0; row < std::min(whole.dim(0), kMaxRows); ++row) {
    const ConstView expected = whole.slice(0, row, row + 1);
    Buffer part(whole.dtype(), expected.shape());
    state.read(name, Slice::rows(whole.shape(), row, row + 1), part.view());
    const std::string_view read(static_cast<const char*>(part.raw()),
                                static_cast<size_t>(part.bytes()));
    require(read == std::string_view(static_cast<const char*>(expected.raw()), read.size()),
            "a row is a part of the whole");
  }
}

void check_reading(const std::filesystem::path& folder) {
  constexpr int64_t kMaxElems = 1 << 12;
  StateReader state(folder);
  for (const auto& tensor : state.tensors()) {
    const Shape& shape = tensor.second.global_shape;
    if (shape.numel() > kMaxElems) continue;
    Buffer whole(tensor.second.dtype, shape);
    const bool is_read =
        accepts([&] { state.read(tensor.first, Slice::whole(shape), whole.view()); });
    if (is_read) check_rows(state, tensor.first, whole.view());
  }
  accepts([&] { checkpoint::find_damage(folder); });
}

}  // namespace
}  // namespace lckv::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return lckv::fuzz::mutate_input(data, size, max_size, seed, 1);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lckv::fuzz;
  static const ScratchFolder folder;
  static const bool written = (write_files(folder.path()), true);
  require(written, "the state's files are there");
  const std::string text = manifest_text({data, size});
  const auto manifest = parsed(text);
  if (!manifest) return 0;
  check_written_again(*manifest, text);
  check_damage_is_noticed(*manifest);
  check_pieces(*manifest);
  folder.put(Manifest::kFileName, text);
  check_reading(folder.path());
  return 0;
}
