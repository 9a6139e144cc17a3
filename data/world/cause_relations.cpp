#include "lckv/world/relation.h"

namespace lckv::world {

namespace {

Relation effect() {
  return {.name = "effect",
          .kind = Kind::kWhat,
          .facts = {{"{who} dropped a glass on the stone floor", "it broke"},
                    {"rain fell on {who} all day", "{his} clothes were wet"},
                    {"{who} left a snowman in the sun", "it melted"},
                    {"{who} touched the hot stove", "{he} burned {his} finger"},
                    {"{who} stayed awake all night", "{he} was very tired"},
                    {"{who} forgot to water the flowers", "the flowers died"},
                    {"{who} baked the cake much too long", "the cake was burnt"},
                    {"{who} walked through deep mud", "{his} shoes were dirty"},
                    {"{who} ate far too many sweets", "{his} stomach hurt"},
                    {"{who} put a pin in the balloon", "the balloon burst"},
                    {"the wind blew in the face of {who}", "{his} hat flew away"},
                    {"{who} left the milk in the sun", "the milk went sour"},
                    {"{who} ran up the hill", "{he} was out of breath"},
                    {"{who} cut up an onion", "{his} eyes ran with tears"},
                    {"{who} banged the door", "the baby woke up"},
                    {"{who} opened the bird cage", "the bird flew away"},
                    {"{who} put salt in the tea", "the tea tasted bad"},
                    {"{who} blew out the candle", "the room was dark"},
                    {"{who} left water outside in the frost", "the water froze"}},
          .templates = {"{s}. [Soon|Then|After that] {a}.",
                        "{s}, and so {a}. [{friend} saw it|That was no surprise].",
                        "one day {s}. What happened then? Of course {a}."}};
}

Relation reason() {
  return {.name = "reason",
          .kind = Kind::kWhy,
          .facts = {{"the clothes of {who} were wet", "it had rained"},
                    {"the snowman of {who} was gone", "the sun had come out"},
                    {"the glass of {who} was in pieces", "it had fallen down"},
                    {"{who} was tired", "{he} had not slept"},
                    {"{who} was hungry", "{he} had not eaten"},
                    {"{who} was thirsty", "{he} had not drunk"},
                    {"the flowers of {who} were dry", "nobody gave them water"},
                    {"the cake of {who} was black", "it had baked too long"},
                    {"the shoes of {who} were dirty", "{he} had walked in mud"},
                    {"the stomach of {who} hurt", "{he} had eaten too much"},
                    {"the hat of {who} was gone", "the wind had blown"},
                    {"the milk of {who} was sour", "it had stood in the sun"},
                    {"the finger of {who} hurt", "{he} had touched the stove"},
                    {"the room of {who} was dark", "the lamp had gone out"},
                    {"the lake was hard and {who} could walk on it", "it had frozen"},
                    {"{who} was late for school", "{he} had missed the bus"},
                    {"the bike of {who} did not roll", "it had a flat tyre"},
                    {"the balloon of {who} burst", "it had met a pin"}},
          .templates = {"{s}. This was because {a}. [{friend} helped {him}|{friend} laughed].",
                        "{s} because {a}.", "{friend} knew why {s}. It was because {a}."}};
}

const std::vector<Fact>& feelings() {
  static const std::vector<Fact> all = {
      {"{who} had lost {his} teddy", "sad"},
      {"{who} had got a present", "happy"},
      {"{who} had heard a ghost", "afraid"},
      {"{who} had won the race", "proud"},
      {"someone had kicked {who}", "angry"},
      {"{who} had nobody to play with", "lonely"},
      {"{who} had nothing to do", "bored"},
      {"{who} had seen a flying elephant", "surprised"},
      {"{who} had broken the cup of {friend}", "sorry"},
      {"{who} had worked all day", "tired"},
      {"{who} had sung a wrong song in class", "ashamed"},
      {"{who} had seen that {friend} had a better bike", "jealous"}};
  return all;
}

Relation feels() {
  return {.name = "feels",
          .kind = Kind::kWhat,
          .facts = feelings(),
          .templates = {"{s}. [Of course {he}|{he}] was very {a}.",
                        "{s}. \"Now I am {a},\" {he} said to {friend}.",
                        "{friend} saw that {s}. No wonder that {who} felt {a}."}};
}

Relation feels_because() {
  Relation relation = {
      .name = "feels because",
      .kind = Kind::kWhy,
      .templates = {"{who} [was|felt] very {s}. This was because {a}.",
                    "\"why are you so {s}?\" {friend} asked {who}. The reason was that {a}."}};
  for (const Fact& fact : feelings()) relation.facts.push_back({fact.answer, fact.subject});
  return relation;
}

}  // namespace

std::vector<Relation> cause_relations() { return {effect(), reason(), feels(), feels_because()}; }

}  // namespace lckv::world
