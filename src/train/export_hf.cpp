#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/hf_folder.h"
#include "lckv/config/load.h"
#include "lckv/tensor/buffer.h"
#include "lckv/train/exchange.h"
#include "lckv/train/parameter_slices.h"

namespace lckv::train {

namespace {

constexpr int64_t kPartElems = 1 << 20;

/// The rows begin .. end-1 of a whole parameter.
model::Parameter rows_of(const model::Parameter& whole, int64_t begin, int64_t end) {
  model::Parameter part = whole;
  part.axis = 0;
  part.begin = begin;
  part.extent = end - begin;
  part.local = slice_of(part).shape();
  return part;
}

int64_t row_elems(const model::Parameter& parameter) {
  return parameter.shape.numel() / parameter.shape[0];
}

/// At most kPartElems elements, but a row at least.
int64_t rows_at_once(const model::Parameter& parameter) {
  return std::clamp<int64_t>(kPartElems / row_elems(parameter), 1, parameter.shape[0]);
}

int64_t largest_part_elems(const model::ParameterTable& table) {
  int64_t elems = 0;
  for (const model::Parameter& parameter : table.parameters) {
    elems = std::max(elems, rows_at_once(parameter) * row_elems(parameter));
  }
  return elems;
}

void write_parameter(checkpoint::HfFolderWriter& writer, const model::Parameter& parameter,
                     const ReadPart& read, const Buffer& memory, const HfOptions& options) {
  const int64_t rows = parameter.shape[0], step = rows_at_once(parameter);
  for (int64_t row = 0; row < rows; row += step) {
    if (options.stop != nullptr && *options.stop) {
      throw Interrupted(format("interrupted at {}", parameter.name));
    }
    const model::Parameter part = rows_of(parameter, row, std::min(row + step, rows));
    const View to(memory.raw(), options.stored, part.local);
    read(part, to);
    writer.append(parameter.name, to);
  }
}

}  // namespace

bool is_hf_folder(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / "config.json");
}

HfWritten write_hf_model(const std::filesystem::path& folder, const config::ModelConfig& config,
                         const ReadPart& read, const HfFiles& other_files,
                         const HfOptions& options) {
  const DType stored = options.stored;
  LCKV_CHECK(stored == DType::kF32 || stored == DType::kBF16,
             format("weights stored as {}", name(stored)));
  const model::ParameterTable table = model::make_parameter_table(config);
  std::vector<checkpoint::HfFolderWriter::Declared> declared;
  for (const model::Parameter& parameter : table.parameters) {
    declared.push_back({parameter.name, stored, parameter.shape});
  }
  checkpoint::HfFolderWriter writer(folder, std::move(declared), options.file_bytes,
                                    options.existing);
  writer.add_file("config.json",
                  config::to_hf_json(config, stored == DType::kF32 ? "float32" : "bfloat16"));
  for (const auto& [name, bytes] : other_files) writer.add_file(name, bytes);
  const Buffer memory(stored, {largest_part_elems(table)});
  for (const model::Parameter& parameter : table.parameters) {
    write_parameter(writer, parameter, read, memory, options);
  }
  writer.commit();
  return {table.element_count(), static_cast<int64_t>(writer.files().size())};
}

void export_hf(const std::filesystem::path& folder, const config::ModelConfig& config,
               const model::ParameterSet& weights, DType stored, const data::Tokenizer& tokenizer,
               checkpoint::ExistingFolder existing) {
  const config::ModelConfig complete = with_token_ids(config, tokenizer);
  const ReadPart read = [&](const model::Parameter& part, const View& to) {
    const View from = weights.view(weights.table().find(part.name));
    const View rows = from.slice(0, part.begin, part.begin + part.extent);
    checkpoint::convert(static_cast<const std::byte*>(rows.raw()),
                        checkpoint::stored_type_of(rows.dtype()), static_cast<std::byte*>(to.raw()),
                        to.dtype(), to.numel());
  };
  write_hf_model(folder, complete, read, hf_tokenizer_files(tokenizer, complete),
                 {.stored = stored, .existing = existing});
}

}  // namespace lckv::train
