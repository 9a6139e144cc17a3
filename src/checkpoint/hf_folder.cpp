#include "lckv/checkpoint/hf_folder.h"

#include "lckv/base/error.h"

namespace lckv::checkpoint {

void write_hf_folder(const std::filesystem::path& folder, std::span<const NamedTensor> tensors,
                     const std::map<std::string, std::string>& other_files,
                     ExistingFolder existing) {
  AtomicFolder target(folder, existing);
  write_safetensors(target.building() / "model.safetensors", tensors, {{"format", "pt"}});
  for (const auto& [name, bytes] : other_files) {
    LCKV_CHECK(std::filesystem::path(name).filename() == name && name != "model.safetensors",
               "'" + name + "' is not a plain name for another file");
    write_file_atomically(target.building() / name, bytes);
  }
  target.commit();
}

}  // namespace lckv::checkpoint
