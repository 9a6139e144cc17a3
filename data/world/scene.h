#pragma once

#include <string>
#include <vector>

#include "lckv/world/grammar.h"
#include "lckv/world/names.h"
#include "lckv/world/relation.h"

namespace lckv::world {

/// The three people of a story, in the order who, friend, third of a scene.
struct Cast {
  Person who;
  Person friend_;
  Person third;
};

/// Three different people.
Cast draw_cast(Draw& draw);

/// Slots for their names and pronouns: who, he, his, him, friend, friend_he, third.
Slots cast_slots(const Cast& cast);

/// A few sentences that speak of one fact.
struct Scene {
  const Relation* relation = nullptr;
  std::string before;  // up to the blank before the answer, capitalised
  std::string answer;
  std::string after;                // what follows the answer, from its full stop on
  std::vector<std::string> rivals;  // wrong answers that the scene mentions
  /// "relation|person|subject|answer": what the scene says, whatever its words.
  std::string facts;

  std::string text() const { return before + " " + answer + after; }
};

/// One scene about `relation` with a fact, template and slots drawn uniformly.
Scene draw_scene(const Relation& relation, const Cast& cast, Draw& draw);

/// Whether these facts are kept out of the training text: a pure function of the facts, so that
/// questions of any seed fit the training text of any seed.
bool is_held_out(const std::string& facts, double held_out_frac);

}  // namespace lckv::world
