#pragma once

#include <cstdint>
#include <string>

#include "lckv/world/scene.h"

namespace lckv::world {

/// A story: an opening sentence, two to four scenes with the same people, a closing sentence; 40 to
/// 120 words. A pure function of the arguments: no story needs the ones before it.
struct World {
  uint64_t seed = 1;
  double held_out_frac = 0.05;

  /// Training story `index`: none of its scenes has held-out facts.
  std::string training_story(uint64_t index) const;

  /// Validation story `index`: its last scene has held-out facts.
  std::string validation_story(uint64_t index) const;
};

/// The beginning of a story whose last scene has held-out facts.
struct OpenStory {
  std::string text;  // opening sentence and all scenes but the last, with a blank at the end
  Cast cast;
  Scene last;
};

/// Draws the beginning of a story and a held-out last scene about one of the relations.
OpenStory draw_open_story(const Relation& relation, double held_out_frac, Draw& draw);

}  // namespace lckv::world
