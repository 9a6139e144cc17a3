#include "lckv/world/relation.h"

namespace lckv::world {

namespace {

Relation season() {
  return {.name = "season",
          .kind = Kind::kWhat,
          .facts = {{"snow lay on all the roofs", "winter"},
                    {"the lake was frozen", "winter"},
                    {"the children built a snowman", "winter"},
                    {"the first flowers came up", "spring"},
                    {"the birds built their nests", "spring"},
                    {"the last snow was gone", "spring"},
                    {"the days were long and hot", "summer"},
                    {"everyone swam in the lake", "summer"},
                    {"school was closed for many weeks", "summer"},
                    {"the leaves fell from the trees", "autumn"},
                    {"the apples were ripe", "autumn"},
                    {"the birds flew to the south", "autumn"}},
          .templates = {"{who} looked out of the window. {s}. So it was {a}.",
                        "{s}, and {who} [was glad|was happy|smiled]. {he} loved the {a}.",
                        "{friend} came to see {who} when {s}. It was a [fine|long|good] {a}."}};
}

Relation time_of_day() {
  return {.name = "time of day",
          .kind = Kind::kWhat,
          .facts = {{"the sun came up", "morning"},
                    {"the birds began to sing", "morning"},
                    {"it was time for breakfast", "morning"},
                    {"the sun stood high in the sky", "noon"},
                    {"it was time for lunch", "noon"},
                    {"the clock struck twelve in bright light", "noon"},
                    {"the sun went down", "evening"},
                    {"it was time for supper", "evening"},
                    {"the sky turned red in the west", "evening"},
                    {"the moon and the stars were out", "night"},
                    {"everyone was fast asleep", "night"},
                    {"the owls flew out of the wood", "night"}},
          .templates = {"{who} saw that {s}. It was {a}.",
                        "{s}. {who} and {friend} knew that it was {a}.",
                        "{who} waited until {s}. When {friend} came, it was {a}."}};
}

Relation colour_of() {
  return {.name = "colour of",
          .kind = Kind::kWhat,
          .facts = {{"snow", "white"},
                    {"grass", "green"},
                    {"butter", "yellow"},
                    {"coal", "black"},
                    {"blood", "red"},
                    {"clear sky", "blue"},
                    {"ripe pumpkin", "orange"},
                    {"old elephant", "grey"},
                    {"chocolate", "brown"},
                    {"little pig", "pink"},
                    {"ripe plum", "purple"}},
          .templates = {
              "{who} [painted|drew] a picture with the {s} in it. {he} painted the {s} {a}.",
              "\"which colour has the {s}?\" asked {friend}. {who} knew that the {s} is {a}.",
              "{who} bought a new [coat|bag|hat]. It had the colour of the {s}: it was {a}."}};
}

}  // namespace

std::vector<Relation> nature_relations() { return {season(), time_of_day(), colour_of()}; }

}  // namespace lckv::world
