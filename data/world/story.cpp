#include "lckv/world/story.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::world {

namespace {

constexpr size_t kMinWords = 44;
constexpr int kMaxDraws = 20'000;

// A told relation has no fact to repeat, so it is shown more often.
constexpr size_t kToldShare = 2;

const std::vector<const Relation*>& weighted_relations() {
  static const std::vector<const Relation*> all = [] {
    std::vector<const Relation*> pointers;
    for (const Relation& relation : relations()) {
      pointers.insert(pointers.end(), relation.is_told() ? kToldShare : 1, &relation);
    }
    return pointers;
  }();
  return all;
}

std::string opening(const Cast& cast, Draw& draw) {
  static const std::vector<std::string> templates = {
      "{who}, {friend} and {third} were [good friends|in the same class|neighbours]. ",
      "one day {who} [met|visited|called] {friend} and {third}. ",
      "{who} lived [next to|not far from|across the street from] {friend} and {third}. ",
      "this is a story about {who}, {friend} and {third}. "};
  return with_capitals(expand(draw.pick(templates), cast_slots(cast), draw));
}

std::string closing(const Cast& cast, Draw& draw) {
  static const std::vector<std::string> templates = {
      " {who} and {friend} [laughed|smiled|were happy].", " that was a [good|long|fine] day.",
      " in the end they all went home.", " {third} told everyone about it."};
  return with_capitals(expand(draw.pick(templates), cast_slots(cast), draw));
}

std::string link(Draw& draw) {
  static const std::vector<std::string> words = {" ", " ", " ", "\n"};
  return draw.pick(words);
}

Scene draw_training_scene(const Cast& cast, double held_out_frac, Draw& draw) {
  for (int tries = 0; tries < kMaxDraws; ++tries) {
    Scene scene = draw_scene(*draw.pick(weighted_relations()), cast, draw);
    if (!is_held_out(scene.facts, held_out_frac)) return scene;
  }
  throw ConfigError(format("no facts are left for training at held_out_frac {}", held_out_frac));
}

Cast turned(Cast cast, Draw& draw) {
  if (draw.below(2) == 1) std::swap(cast.who, cast.friend_);
  if (draw.below(3) == 0) std::swap(cast.who, cast.third);
  return cast;
}

std::string beginning(const Cast& cast, double held_out_frac, Draw& draw) {
  std::string text = opening(cast, draw);
  const size_t scenes = 1 + draw.below(2);
  for (size_t i = 0; i < scenes || word_count(text) < kMinWords / 2; ++i) {
    text += draw_training_scene(turned(cast, draw), held_out_frac, draw).text() + link(draw);
  }
  return text;
}

}  // namespace

OpenStory draw_open_story(const Relation& relation, double held_out_frac, Draw& draw) {
  for (int tries = 0; tries < kMaxDraws; ++tries) {
    const Cast cast = draw_cast(draw);
    Scene last = draw_scene(relation, cast, draw);
    if (!is_held_out(last.facts, held_out_frac)) continue;
    return {beginning(cast, held_out_frac, draw), cast, std::move(last)};
  }
  throw ConfigError(format("no facts of relation \"{}\" are held out at held_out_frac {}; raise it",
                           relation.name, held_out_frac));
}

std::string World::training_story(uint64_t index) const {
  Draw draw(seed, format("training/{}", index));
  const Cast cast = draw_cast(draw);
  std::string text = beginning(cast, held_out_frac, draw);
  do {
    text += draw_training_scene(turned(cast, draw), held_out_frac, draw).text();
    if (word_count(text) < kMinWords) text += link(draw);
  } while (word_count(text) < kMinWords);
  return text + closing(cast, draw);
}

std::string World::validation_story(uint64_t index) const {
  Draw draw(seed, format("validation/{}", index));
  const Relation& relation = *draw.pick(weighted_relations());
  const OpenStory open = draw_open_story(relation, held_out_frac, draw);
  return open.text + open.last.text() + closing(open.cast, draw);
}

}  // namespace lckv::world
