#pragma once

#include <cstdint>
#include <filesystem>

#include "lckv/world/story.h"

namespace lckv::world {

struct CorpusSize {
  uint64_t stories = 20000;
  uint64_t questions = 400;

  /// One validation story for 50 training stories, at least one.
  uint64_t validation_stories() const { return stories < 50 ? 1 : stories / 50; }
};

/// Writes train.jsonl, validation.jsonl and questions.jsonl (README.md is the format) into
/// `folder`, which is made if it is missing. Each file appears under its name only when it is
/// whole. Throws ConfigError for a size or fraction that cannot be honoured, IoError naming the
/// file.
void write_corpus(const std::filesystem::path& folder, const World& world, const CorpusSize& size);

}  // namespace lckv::world
