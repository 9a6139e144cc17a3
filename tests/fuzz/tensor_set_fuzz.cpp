// Text to checkpoint::TensorSet as model.safetensors.index.json, in a folder that holds
// one.safetensors (tensors a, b), two.safetensors (c) and a sub-folder sub with a file
// three.safetensors (c).
#include <optional>
#include <vector>

#include "json_mutator.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/tensor/buffer.h"
#include "scratch.h"

namespace lckv::fuzz {
namespace {

using checkpoint::TensorSet;

constexpr const char* kIndex = "model.safetensors.index.json";

void write_tensors(const std::filesystem::path& path, const std::vector<std::string>& names) {
  const Buffer value(DType::kF32, {2});
  std::vector<checkpoint::NamedTensor> tensors;
  for (const std::string& name : names) tensors.push_back({name, value.view(), DType::kF32});
  checkpoint::write_safetensors(path, tensors);
}

void write_files(const std::filesystem::path& folder) {
  std::filesystem::create_directory(folder / "sub");
  write_tensors(folder / "one.safetensors", {"a", "b"});
  write_tensors(folder / "two.safetensors", {"c"});
  write_tensors(folder / "sub" / "three.safetensors", {"c"});
}

void check_use(const TensorSet& set, const std::filesystem::path& folder) {
  for (const std::string& name : set.names()) {
    require(set.contains(name), "what is named is there");
    require(set.path_of(name).parent_path() == folder, "files of the folder alone are read");
    Buffer value(set.info(name).dtype, set.info(name).shape);
    set.read(name, value.view());
  }
  require(set.contains("a") == set.contains("b"), "a file's tensors are all listed");
  require(!accepts([&] { set.info("no such tensor"); }), "a tensor that is not there is refused");
}

}  // namespace
}  // namespace lckv::fuzz

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  return lckv::fuzz::mutate_input(data, size, max_size, seed, 0);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace lckv::fuzz;
  using lckv::checkpoint::TensorSet;
  static const ScratchFolder folder;
  static const bool written = (write_files(folder.path()), true);
  require(written, "the files are there");
  folder.put(kIndex, Input(data, size).rest());
  std::optional<TensorSet> set;
  if (accepts([&] { set.emplace(TensorSet::open(folder.path())); })) check_use(*set, folder.path());
  return 0;
}
