#include "lckv/checkpoint/hf_files.h"

#include <nlohmann/json.hpp>

#include "lckv/base/text.h"

namespace lckv::checkpoint {

namespace {

using Declared = SafetensorsWriter::Declared;

int64_t data_bytes(const Declared& tensor) {
  return tensor.shape.numel() * size_bytes(tensor.dtype);
}

void give_names(std::vector<HfFile>& files) {
  for (size_t i = 0; i < files.size(); ++i) {
    files[i].name = files.size() == 1
                        ? "model.safetensors"
                        : format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
  }
}

}  // namespace

std::vector<HfFile> divide_into_files(std::span<const Declared> tensors, int64_t file_bytes) {
  LCKV_CHECK(file_bytes >= 1, format("files of {} bytes", file_bytes));
  std::vector<HfFile> files(1);
  int64_t in_file_bytes = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t bytes = data_bytes(tensors[i]);
    if (i > files.back().begin && in_file_bytes + bytes > file_bytes) {
      files.push_back({"", i, i});
      in_file_bytes = 0;
    }
    files.back().end = i + 1;
    in_file_bytes += bytes;
  }
  give_names(files);
  return files;
}

std::string format_hf_index(std::span<const Declared> tensors, std::span<const HfFile> files) {
  nlohmann::json map = nlohmann::json::object();
  int64_t total_bytes = 0;
  for (const HfFile& file : files) {
    for (size_t i = file.begin; i < file.end; ++i) {
      map[tensors[i].name] = file.name;
      total_bytes += data_bytes(tensors[i]);
    }
  }
  const nlohmann::json index = {{"metadata", {{"total_size", total_bytes}}}, {"weight_map", map}};
  return index.dump(2) + "\n";
}

}  // namespace lckv::checkpoint
