#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "lckv/world/question.h"
#include "lckv/world/story.h"

namespace lckv::world {

/// The first `count` training stories, joined by newlines.
inline std::string training_text(const World& world, uint64_t count) {
  std::string text;
  for (uint64_t i = 0; i < count; ++i) text += world.training_story(i) + "\n";
  return text;
}

inline std::vector<Question> questions(const World& world, uint64_t count) {
  std::vector<Question> all;
  for (uint64_t i = 0; i < count; ++i) all.push_back(make_question(world, i));
  return all;
}

inline std::vector<std::string> lines_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

}  // namespace lckv::world
