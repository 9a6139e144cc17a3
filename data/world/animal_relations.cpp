#include "lckv/world/relation.h"

namespace lckv::world {

namespace {

Relation animal_eats() {
  return {
      .name = "animal eats",
      .kind = Kind::kWhat,
      .facts = {{"dog", "a bone"},
                {"cat", "a fish"},
                {"cow", "fresh grass"},
                {"horse", "dry hay"},
                {"rabbit", "a carrot"},
                {"mouse", "some cheese"},
                {"squirrel", "some nuts"},
                {"monkey", "a banana"},
                {"hen", "yellow corn"},
                {"bear", "sweet honey"},
                {"pig", "old potatoes"},
                {"duck", "soft bread"},
                {"goat", "green leaves"},
                {"frog", "a fly"},
                {"parrot", "some seeds"}},
      .templates = {
          "{who} had a [hungry|little|old] {s}. In the [morning|evening] {he} gave the {s} {a}. "
          "[The {s} was glad|It ate it all up].",
          "in the {place} {who} met a hungry {s}. {he} fed the {s}, and it ate {a}. [Then it went "
          "away|{who} smiled].",
          "\"what does a {s} [eat|like]?\" asked {who}. \"A {s} likes to eat {a},\" said {friend}.",
          "{who} looked after the {s} of {friend}. {he} knew that every {s} eats {a}."}};
}

Relation animal_home() {
  return {.name = "animal home",
          .kind = Kind::kWhere,
          .facts = {{"dog", "kennel"},
                    {"cat", "basket"},
                    {"cow", "barn"},
                    {"horse", "stable"},
                    {"rabbit", "hutch"},
                    {"mouse", "hole"},
                    {"squirrel", "tree"},
                    {"hen", "coop"},
                    {"bear", "cave"},
                    {"pig", "sty"},
                    {"duck", "pond"},
                    {"bee", "hive"},
                    {"bird", "nest"},
                    {"fox", "den"},
                    {"spider", "web"},
                    {"parrot", "cage"}},
          .templates = {
              "{who} [could not find|looked for|wanted to see] the {s}. It was late, and the {s} "
              "was already asleep in its {a}.",
              "it was getting dark. {who} saw how the {s} went home to its {a}. [Soon it slept|All "
              "was quiet].",
              "\"where does the {s} sleep?\" asked {who}. \"The {s} sleeps in its {a},\" said "
              "{friend}.",
              "{who} followed the [little|old|tired] {s}. At last the {s} was back in its {a}."}};
}

Relation animal_sound() {
  return {.name = "animal sound",
          .kind = Kind::kWho,
          .facts = {{"barked", "a dog"},
                    {"meowed", "a cat"},
                    {"mooed", "a cow"},
                    {"neighed", "a horse"},
                    {"squeaked", "a mouse"},
                    {"clucked", "a hen"},
                    {"growled", "a bear"},
                    {"grunted", "a pig"},
                    {"quacked", "a duck"},
                    {"croaked", "a frog"},
                    {"buzzed", "a bee"},
                    {"sang in the tree", "a bird"},
                    {"hissed", "a snake"},
                    {"bleated", "a goat"},
                    {"roared", "a lion"},
                    {"hooted", "an owl"}},
          .templates = {"{who} was in the {place} when something {s} [outside|behind the door]. "
                        "{he} looked and saw {a}.",
                        "something {s} [in the night|in the grass|near the gate]. \"What was "
                        "that?\" asked {friend}. {who} knew that it was {a}.",
                        "{who} heard that something {s} [loudly|twice|again and again]. It must be "
                        "{a}, {he} thought."}};
}

Relation animal_young() {
  return {.name = "animal young",
          .kind = Kind::kWhat,
          .facts = {{"cat", "kitten"},
                    {"dog", "puppy"},
                    {"cow", "calf"},
                    {"sheep", "lamb"},
                    {"horse", "foal"},
                    {"hen", "chick"},
                    {"duck", "duckling"},
                    {"bear", "cub"},
                    {"pig", "piglet"},
                    {"goat", "kid"},
                    {"frog", "tadpole"},
                    {"butterfly", "caterpillar"}},
          .templates = {
              "{who} [saw|found|met] a {s} with its young one. The young of a {s} is called a {a}.",
              "the {s} of {who} had a baby. {friend} came to see the {a}. [It was very small|It "
              "was still blind].",
              "{who} told {friend} that every {s} was once a {a}."}};
}

Relation animal_gives() {
  return {
      .name = "animal gives",
      .kind = Kind::kWho,
      .facts = {{"milk", "cow"},
                {"wool", "sheep"},
                {"egg", "hen"},
                {"honey", "bee"},
                {"silk", "worm"},
                {"feather", "goose"},
                {"web", "spider"},
                {"pearl", "oyster"},
                {"ham", "pig"},
                {"goat cheese", "goat"}},
      .templates = {"{who} [looked at|touched|held] the {s}. {he} knew that it came from the {a}.",
                    "\"who gives us the {s}?\" asked {friend}. {who} said that it is the {a}.",
                    "{who} wanted to know about the {s}. \"For the {s} we must thank the {a},\" "
                    "said {friend}."}};
}

}  // namespace

std::vector<Relation> animal_relations() {
  return {animal_eats(), animal_home(), animal_sound(), animal_young(), animal_gives()};
}

}  // namespace lckv::world
