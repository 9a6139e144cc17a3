#include "lckv/checkpoint/hf_folder.h"

#include <span>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/manifest.h"

namespace lckv::checkpoint {

namespace {

constexpr const char* kIndexFile = "model.safetensors.index.json";

}  // namespace

namespace {

/// A run or a saved state, which may hold no sub-folders either, must not be replaced by an export.
const std::filesystem::path& require_no_run(const std::filesystem::path& folder) {
  for (const char* name : {Manifest::kFileName, "metrics.jsonl", "config.yaml"}) {
    std::error_code error;
    if (!std::filesystem::exists(folder / name, error)) continue;
    throw DataError(format("{}: holds {}: a run or a saved state, which is not replaced",
                           folder.string(), name));
  }
  return folder;
}

}  // namespace

HfFolderWriter::HfFolderWriter(const std::filesystem::path& folder, std::vector<Declared> tensors,
                               int64_t file_bytes, ExistingFolder existing)
    : folder_(require_no_run(folder), existing),
      tensors_(std::move(tensors)),
      files_(divide_into_files(tensors_, file_bytes)) {}

void HfFolderWriter::append(const std::string& name, const ConstView& part) {
  LCKV_CHECK(next_file_ < files_.size(), "tensor '" + name + "' was not declared");
  const HfFile& file = files_[next_file_];
  if (!open_) {
    open_ = std::make_unique<HfTensorFile>(
        folder_.building() / file.name,
        std::span(tensors_).subspan(file.begin, file.end - file.begin));
  }
  open_->append(name, part);
  if (!open_->complete()) return;
  open_->finish();
  open_.reset();
  ++next_file_;
}

void HfFolderWriter::add_file(const std::string& name, std::string_view bytes) {
  LCKV_CHECK(std::filesystem::path(name).filename() == name && name != kIndexFile &&
                 !name.ends_with(".safetensors"),
             "'" + name + "' is not a plain name for another file");
  write_file_atomically(folder_.building() / name, bytes);
}

void HfFolderWriter::commit() {
  LCKV_CHECK(next_file_ == files_.size(),
             "file " + files_[next_file_].name + " has not all of its tensors");
  if (files_.size() > 1) {
    write_file_atomically(folder_.building() / kIndexFile, format_hf_index(tensors_, files_));
  }
  folder_.commit();
}

}  // namespace lckv::checkpoint
