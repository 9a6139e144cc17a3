#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lckv::world {

/// What a question asks for.
enum class Kind { kWhere, kWho, kWhy, kWhat };

/// "where", "who", "why" or "what".
std::string_view kind_name(Kind kind);

/// One line of world knowledge: of this subject, this and no other answer of the relation is true.
struct Fact {
  std::string subject;
  std::string answer;
};

/// How a scene speaks of one thing a reader can be asked for.
///
/// Every template names {who} (perhaps through the subject) and the subject {s}, and holds the
/// answer {a} once: a question ends just before it. Texts are templates of grammar.h; the slots are
/// set in scene.cpp.
struct Relation {
  std::string name;
  Kind kind = Kind::kWhat;
  /// Fixed for ever in this world, to be learned from many stories. Empty: the scene itself tells.
  std::vector<Fact> facts = {};
  /// Relations that the scene tells: subject and right answer as slots, and the wrong answers that
  /// the scene also mentions.
  Fact told = {};
  std::vector<std::string> told_rivals = {};
  /// Where a told relation's further wrong answers come from; none of them is mentioned in the
  /// story.
  std::vector<std::string> told_pool = {};
  std::vector<std::string> templates = {};

  bool is_told() const { return facts.empty(); }
};

/// All relations, in a fixed order.
const std::vector<Relation>& relations();

// The parts of relations(), one per file of the same name.
std::vector<Relation> animal_relations();
std::vector<Relation> work_relations();
std::vector<Relation> household_relations();
std::vector<Relation> nature_relations();
std::vector<Relation> cause_relations();
std::vector<Relation> told_relations();

}  // namespace lckv::world
