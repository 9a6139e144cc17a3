#pragma once

#include <optional>
#include <string_view>

namespace lckv::data {

enum class TextFormat { kTxt, kJsonl };

/// By the file's name, .gz and .zst not counted; nothing for other kinds.
inline std::optional<TextFormat> text_format(std::string_view path) {
  for (const std::string_view suffix : {".gz", ".zst"}) {
    if (path.ends_with(suffix)) path.remove_suffix(suffix.size());
  }
  if (path.ends_with(".txt")) return TextFormat::kTxt;
  if (path.ends_with(".jsonl")) return TextFormat::kJsonl;
  return std::nullopt;
}

}  // namespace lckv::data
