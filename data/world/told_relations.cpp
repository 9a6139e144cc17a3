#include "lckv/world/names.h"
#include "lckv/world/relation.h"

namespace lckv::world {

namespace {

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Person& person : people()) all.push_back(person.name);
  return all;
}

Relation where_put() {
  return {.name = "where put",
          .kind = Kind::kWhere,
          .told = {"{thing}", "{place}"},
          .told_rivals = {"{place2}"},
          .told_pool = places(),
          .templates = {"{who} put the {s} in the {place}. Then {he} went to the {place2}. The {s} "
                        "was still in the {a}.",
                        "{who} left the {s} in the {place} and walked to the {place2}. {friend} "
                        "asked for the {s}. It was in the {a}.",
                        "after {who} came from the {place2}, {he} hid the {s} in the {place}. "
                        "{friend} found the {s} in the {a}."}};
}

Relation where_went() {
  return {.name = "where went",
          .kind = Kind::kWhere,
          .told = {"{who}", "{place}"},
          .told_rivals = {"{place2}"},
          .told_pool = places(),
          .templates = {"{s} went to the {place}, and {friend} went to the {place2}. {third} "
                        "looked for {s} and found {him} in the {a}.",
                        "{friend} was in the {place2}, and {s} was in the {place}. \"Where is "
                        "{s}?\" asked {third}. {s} was in the {a}."}};
}

Relation who_has() {
  return {
      .name = "who has",
      .kind = Kind::kWho,
      .told = {"{thing}", "{friend}"},
      .told_rivals = {"{who}", "{third}"},
      .told_pool = names(),
      .templates = {
          "{third} and {who} had a {s}. {who} gave the {s} to {friend}. Now the {s} belongs to "
          "{a}.",
          "{who} gave {friend} the {s}, but {third} got nothing. So the {s} now belongs to {a}.",
          "{third} watched how {who} sold a {s} to {friend}. Since then the {s} belongs to {a}."}};
}

Relation what_carried() {
  return {.name = "what carried",
          .kind = Kind::kWhat,
          .told = {"{who}", "{thing}"},
          .told_rivals = {"{thing2}"},
          .told_pool = things(),
          .templates = {"{s} had a {thing}, and {friend} had a {thing2}. They went to the {place}. "
                        "There {s} played with the {a}.",
                        "{friend} brought a {thing2}, and {s} brought a {thing}. When they went "
                        "home, {s} took the {a}."}};
}

Relation which_colour() {
  return {.name = "which colour",
          .kind = Kind::kWhat,
          .told = {"{thing}", "{colour}"},
          .told_rivals = {"{colour2}"},
          .told_pool = colours(),
          .templates = {"{who} painted the {s} {colour} and the {thing2} {colour2}. {friend} liked "
                        "the {s} because it was {a}.",
                        "the {thing2} of {friend} was {colour2}. {who} had a {colour} {s}. {third} "
                        "saw that the {s} was {a}."}};
}

}  // namespace

std::vector<Relation> told_relations() {
  return {where_put(), where_went(), who_has(), what_carried(), which_colour()};
}

}  // namespace lckv::world
