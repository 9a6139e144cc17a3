#include "lckv/world/relation.h"

namespace lckv::world {

namespace {

Relation tool_for() {
  return {.name = "tool for",
          .kind = Kind::kWhat,
          .facts = {{"cut the bread", "the knife"},         {"cut the paper", "the scissors"},
                    {"drive in a nail", "the hammer"},      {"dig a hole", "the spade"},
                    {"open the locked door", "the key"},    {"paint the fence", "the brush"},
                    {"sweep the floor", "the broom"},       {"write a letter", "the pen"},
                    {"sew on a button", "the needle"},      {"eat the soup", "the spoon"},
                    {"see in the dark", "the lamp"},        {"climb onto the roof", "the ladder"},
                    {"boil some water", "the kettle"},      {"tie up the box", "the rope"},
                    {"dry the plates", "the towel"},        {"cut down a tree", "the axe"},
                    {"catch a butterfly", "the net"},       {"tidy {his} hair", "the comb"},
                    {"look at the stars", "the telescope"}, {"light a fire", "the matches"}},
          .templates = {
              "{who} wanted to {s}. So {he} [took|went to get|looked for] {a}. [Then it was "
              "easy|It was soon done].",
              "\"I want to {s},\" said {who}. \"Then you need {a},\" said {friend}.",
              "{who} could not {s}. {friend} [came to help|had an idea] and gave {him} {a}."}};
}

Relation kept_in() {
  return {.name = "kept in",
          .kind = Kind::kWhere,
          .facts = {{"milk", "fridge"},
                    {"book", "bookcase"},
                    {"coat", "wardrobe"},
                    {"knife", "drawer"},
                    {"plate", "cupboard"},
                    {"car", "garage"},
                    {"letter", "desk"},
                    {"coin", "purse"},
                    {"jam", "pantry"},
                    {"rose", "vase"},
                    {"hammer", "toolbox"},
                    {"towel", "bathroom"},
                    {"ring", "jewel box"},
                    {"wine", "cellar"},
                    {"rubbish", "bin"},
                    {"pencil", "pencil case"},
                    {"bike", "shed"}},
          .templates = {
              "{who} wanted to tidy up. {he} took the {s} and put it back in the {a}. [Now all was "
              "in order|{friend} helped {him}].",
              "\"where is the {s}?\" asked {who}. {friend} said that the {s} is always in the {a}.",
              "{who} needed the {s}. {he} [went to look|knew where to look] for it in the {a}."}};
}

Relation made_of() {
  return {.name = "made of",
          .kind = Kind::kWhat,
          .facts = {{"window", "glass"},
                    {"scarf", "wool"},
                    {"key", "iron"},
                    {"table", "wood"},
                    {"book", "paper"},
                    {"ring", "gold"},
                    {"shoe", "leather"},
                    {"wall", "stone"},
                    {"candle", "wax"},
                    {"tyre", "rubber"},
                    {"pot", "clay"},
                    {"shirt", "cotton"},
                    {"spoon", "silver"},
                    {"snowman", "snow"}},
          .templates = {
              "{who} [looked at|touched|saw] the {s}. [Like every {s}, it|It] was made of {a}.",
              "\"what is a {s} made of?\" asked {friend}. {who} knew that a {s} is made of {a}.",
              "{who} wanted to make a {s}. For a {s} {he} needed [some|much] {a}."}};
}

Relation bought_at() {
  return {
      .name = "bought at",
      .kind = Kind::kWhere,
      .facts = {{"some bread", "bakery"},
                {"a stamp", "post office"},
                {"a sausage", "butcher"},
                {"a toy", "toy shop"},
                {"a pill", "chemist"},
                {"some apples", "market"},
                {"a train ticket", "station"},
                {"a novel", "bookshop"},
                {"a rose", "flower shop"},
                {"a pair of boots", "shoe shop"},
                {"a gold ring", "jeweller"},
                {"an ice cream", "ice cream van"}},
      .templates = {
          "{who} wanted to buy {s}. So {he} went to the {a}. [{friend} came along|It was not far].",
          "{friend} asked {who} to bring {s}. {who} [ran|walked] to the {a}.",
          "\"I need {s},\" said {who}. \"You can get it at the {a},\" said {friend}."}};
}

Relation takes_along() {
  return {.name = "takes along",
          .kind = Kind::kWhat,
          .facts = {{"it was raining hard", "an umbrella"},
                    {"deep snow lay on the hill", "a sledge"},
                    {"the sun was very hot", "a sun hat"},
                    {"it was a dark night", "a lamp"},
                    {"a strong wind was blowing", "a kite"},
                    {"the lake was frozen", "skates"},
                    {"the sea was warm", "a swimsuit"},
                    {"it was the birthday of {friend}", "a present"},
                    {"the hands of {who} were cold", "gloves"},
                    {"the neck of {who} was cold", "a scarf"},
                    {"the way led through deep mud", "rubber boots"},
                    {"it was time for school", "a school bag"}},
          .templates = {"{s}. Before {who} went out, {he} [asked for|looked for|took] {a}.",
                        "{s}. \"Wait!\" called {friend} to {who}. \"You should take {a}.\"",
                        "{who} wanted to go out. {s}, so {he} took {a}."}};
}

}  // namespace

std::vector<Relation> household_relations() {
  return {tool_for(), kept_in(), made_of(), bought_at(), takes_along()};
}

}  // namespace lckv::world
