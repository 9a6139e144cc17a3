#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/world/story.h"

namespace lckv::world {

/// A story that stops before an answer, four answers of which one is right.
struct Question {
  std::string query;                 // without the blank that stands before the answer
  std::vector<std::string> choices;  // four different ones
  size_t gold = 0;                   // index of the right one
  Scene scene;                       // the scene that was cut
};

/// Question `index` of `world`: a pure function of both. Asks the relations in turn.
Question make_question(const World& world, uint64_t index);

}  // namespace lckv::world
