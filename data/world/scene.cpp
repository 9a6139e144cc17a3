#include "lckv/world/scene.h"

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"

namespace lckv::world {

namespace {

constexpr std::string_view kAnswerSlot = "{a}";

void add_surroundings(Slots& slots, Draw& draw) {
  const auto things_here = draw.sample(things(), 2);
  const auto places_here = draw.sample(places(), 2);
  const auto colours_here = draw.sample(colours(), 2);
  slots.insert({{"thing", things_here[0]},
                {"thing2", things_here[1]},
                {"place", places_here[0]},
                {"place2", places_here[1]},
                {"colour", colours_here[0]},
                {"colour2", colours_here[1]}});
}

}  // namespace

Cast draw_cast(Draw& draw) {
  const auto persons = draw.sample(people(), 3);
  return {persons[0], persons[1], persons[2]};
}

Slots cast_slots(const Cast& cast) {
  return {{"who", cast.who.name},
          {"he", cast.who.female ? "she" : "he"},
          {"his", cast.who.female ? "her" : "his"},
          {"him", cast.who.female ? "her" : "him"},
          {"friend", cast.friend_.name},
          {"friend_he", cast.friend_.female ? "she" : "he"},
          {"third", cast.third.name}};
}

Scene draw_scene(const Relation& relation, const Cast& cast, Draw& draw) {
  Slots slots = cast_slots(cast);
  add_surroundings(slots, draw);
  const Fact& fact = relation.is_told() ? relation.told : draw.pick(relation.facts);
  slots["s"] = fact.subject;
  const std::string& chosen = draw.pick(relation.templates);
  const size_t cut = chosen.find(kAnswerSlot);
  LCKV_CHECK(cut != std::string::npos, format("no {{a}} in template \"{}\"", chosen));

  Scene scene;
  scene.relation = &relation;
  scene.answer = expand(fact.answer, slots, draw);
  const std::string before = expand(chosen.substr(0, cut), slots, draw);
  const std::string after = expand(chosen.substr(cut + kAnswerSlot.size()), slots, draw);
  const std::string whole = with_capitals(before + scene.answer + after);
  scene.before = whole.substr(0, before.size() - 1);
  scene.after = whole.substr(before.size() + scene.answer.size());
  for (const std::string& rival : relation.told_rivals) {
    scene.rivals.push_back(expand(rival, slots, draw));
  }
  scene.facts = format("{}|{}|{}|{}", relation.name, cast.who.name,
                       expand(fact.subject, slots, draw), scene.answer);
  return scene;
}

bool is_held_out(const std::string& facts, double held_out_frac) {
  return static_cast<double>(hash_text(facts)) < held_out_frac * 0x1p64;
}

}  // namespace lckv::world
