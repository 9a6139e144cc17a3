#include "lckv/eval/few_shot.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

constexpr const char* kBetween = "\n\n";

}  // namespace

FewShot::FewShot(const Task& task, std::span<const Document> pool, int64_t shots, uint64_t seed)
    : task_(task),
      pool_(pool),
      shots_(static_cast<size_t>(shots)),
      drawn_(shots_ + (task.has_test_split() ? 0 : 1)),
      random_(seed) {
  LCKV_CHECK(shots >= 0, "a number of shots");
  if (shots_ == 0) return;
  if (task.output == OutputKind::kRolling) {
    throw ConfigError(
        format("task {} scores whole pages and takes no examples, got {} shots", task.name, shots));
  }
  if (pool.size() < drawn_) {
    throw DataError(
        format("task {}: {} shots draw {} examples at a time, the training split has {}", task.name,
               shots, drawn_, pool.size()));
  }
}

std::vector<size_t> FewShot::draw() { return random_.sample(pool_.size(), drawn_); }

std::string FewShot::next(const Document& document) {
  if (shots_ == 0) return "";
  std::string text;
  size_t taken = 0;
  for (const size_t index : draw()) {
    if (taken == shots_ || pool_[index].json == document.json) continue;
    text += example(pool_[index]);
    ++taken;
  }
  return text;
}

std::string FewShot::example(const Document& document) const {
  if (task_.output == OutputKind::kLoglikelihood) {
    // The target has its own blank, and the reference puts another in front of it.
    const Prompt& prompt = document.prompts.front();
    return prompt.context + " " + prompt.continuation + kBetween;
  }
  if (!document.gold) {
    throw DataError(format("{}: an example needs its right answer, 'gold'", document.place));
  }
  const Prompt& right = document.prompts[*document.gold];
  return right.context + right.continuation + kBetween;
}

}  // namespace lckv::eval
