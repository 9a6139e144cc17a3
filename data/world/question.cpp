#include "lckv/world/question.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"

namespace lckv::world {

namespace {

constexpr size_t kChoices = 4;

// Wrong answers are drawn as right ones are: the answers to other subjects of the same relation, in
// random order. So the right one cannot be told by how often it occurs.
std::vector<std::string> further_answers(const Relation& relation, const Cast& cast, Draw& draw) {
  std::vector<std::string> answers = relation.told_pool;
  const Slots slots = cast_slots(cast);
  for (const Fact& fact : relation.facts) answers.push_back(expand(fact.answer, slots, draw));
  draw.shuffle(answers);
  return answers;
}

void add_until_full(std::vector<std::string>& choices, const std::vector<std::string>& from) {
  for (const std::string& answer : from) {
    const bool is_new = std::find(choices.begin(), choices.end(), answer) == choices.end();
    if (is_new && choices.size() < kChoices) choices.push_back(answer);
  }
}

// Each place holds the right answer once in every kChoices questions, in random order.
size_t gold_position(uint64_t seed, uint64_t index) {
  const Permutation order(kChoices, seed, hash_text(format("gold/{}", index / kChoices)));
  return static_cast<size_t>(order(index % kChoices));
}

}  // namespace

Question make_question(const World& world, uint64_t index) {
  Draw draw(world.seed, format("question/{}", index));
  const Relation& relation = relations()[index % relations().size()];
  OpenStory open = draw_open_story(relation, world.held_out_frac, draw);

  Question question;
  question.query = open.text + open.last.before;
  question.choices = {open.last.answer};
  add_until_full(question.choices, open.last.rivals);
  add_until_full(question.choices, further_answers(relation, open.cast, draw));
  LCKV_CHECK(question.choices.size() == kChoices,
             format("relation \"{}\" has only {} answers", relation.name, question.choices.size()));
  question.gold = gold_position(world.seed, index);
  std::swap(question.choices.front(), question.choices[question.gold]);
  question.scene = std::move(open.last);
  return question;
}

}  // namespace lckv::world
