#pragma once

#include <string>
#include <vector>

namespace lckv::world {

struct Person {
  std::string name;
  bool female = false;
};

/// Forty common first names, half of them of girls.
const std::vector<Person>& people();

/// What the people carry about and lose: "ball", "kite", ... Kept in no fixed place.
const std::vector<std::string>& things();

/// Where they go: "kitchen", "garden", ...
const std::vector<std::string>& places();

const std::vector<std::string>& colours();

}  // namespace lckv::world
