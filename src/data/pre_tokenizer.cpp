#include "lckv/data/pre_tokenizer.h"

#include <algorithm>

#include "lckv/data/hf_regex.h"

namespace lckv::data {

PreTokenizer::PreTokenizer(const HfTokenizerFile& file)
    : metaspace_(file.metaspace), bytes_(file.bytes) {
  const std::string origin = file.origin + ": $.pre_tokenizer";
  for (const HfSplit& s : file.splits) {
    splits_.push_back({Regex(s.pattern, s.is_literal, origin), s.behavior, s.invert});
  }
  if (metaspace_ && metaspace_->split) {
    last_split_.emplace(
        Split{Regex(metaspace_->replacement, true, origin), SplitBehavior::kMergedWithNext, false});
  }
  if (bytes_ && bytes_->use_regex) {
    last_split_.emplace(
        Split{Regex(gpt2_pattern(), false, origin), SplitBehavior::kIsolated, false});
  }
}

void PreTokenizer::run(std::string_view piece, PiecePlace place, Words& words) const {
  words.texts.clear();
  words.all.assign(1, piece);
  for (const Split& s : splits_) split(s, words.all);
  if (metaspace_) put_blanks(piece, place, words);
  if (bytes_ && bytes_->add_prefix_space) put_prefix_spaces(words);
  if (last_split_) split(*last_split_, words.all);
}

void PreTokenizer::put_blanks(std::string_view piece, PiecePlace place, Words& words) const {
  using Prepend = HfMetaspace::Prepend;
  const std::string& blank = metaspace_->replacement;
  for (std::string_view& word : words.all) {
    const PiecePlace own = word.data() == piece.data() ? place : PiecePlace::kInside;
    const bool may_prepend =
        metaspace_->prepend == Prepend::kAlways
            ? own != PiecePlace::kContinuation
            : metaspace_->prepend == Prepend::kFirst && own == PiecePlace::kStartOfText;
    std::string& text = words.texts.emplace_back();
    if (may_prepend && !word.starts_with(' ') && !word.starts_with(blank)) text = blank;
    for (const char c : word) c == ' ' ? text += blank : text += c;
    word = text;
  }
}

void PreTokenizer::put_prefix_spaces(Words& words) const {
  for (std::string_view& word : words.all) {
    if (!word.starts_with(' ')) word = words.texts.emplace_back(" " + std::string(word));
  }
}

std::vector<PreTokenizer::Range> PreTokenizer::ranges_of(const Split& split,
                                                         std::string_view word) {
  std::vector<Range> ranges;
  size_t done = 0;
  while (const auto match = split.regex.find(word, done)) {
    if (done < match->begin) ranges.push_back({done, match->begin, split.invert});
    ranges.push_back({match->begin, match->end, !split.invert});
    done = match->end;
  }
  if (done < word.size()) ranges.push_back({done, word.size(), split.invert});
  return ranges;
}

namespace {

/// Every match that does not follow another one becomes part of the range before it.
template <class Range, class Join>
std::vector<Range> join_matches(const std::vector<Range>& ranges, Join join) {
  std::vector<Range> joined;
  bool after_match = false;
  for (const Range& range : ranges) {
    if (range.is_match && !after_match && !joined.empty()) {
      join(joined.back(), range);
    } else {
      joined.push_back(range);
    }
    after_match = range.is_match;
  }
  return joined;
}

template <class Range>
void apply(SplitBehavior behavior, std::vector<Range>& ranges) {
  switch (behavior) {
    case SplitBehavior::kIsolated:
      return;
    case SplitBehavior::kRemoved:
      std::erase_if(ranges, [](const Range& r) { return r.is_match; });
      return;
    case SplitBehavior::kMergedWithPrevious:
      ranges = join_matches(ranges, [](Range& to, const Range& r) { to.end = r.end; });
      return;
    case SplitBehavior::kMergedWithNext:
      std::ranges::reverse(ranges);
      ranges = join_matches(ranges, [](Range& to, const Range& r) { to.begin = r.begin; });
      std::ranges::reverse(ranges);
      return;
    case SplitBehavior::kContiguous:
      std::vector<Range> joined;
      for (const Range& r : ranges) {
        const bool same = !joined.empty() && joined.back().is_match == r.is_match;
        same ? void(joined.back().end = r.end) : joined.push_back(r);
      }
      ranges = std::move(joined);
      return;
  }
}

}  // namespace

void PreTokenizer::split(const Split& split, std::vector<std::string_view>& words) {
  std::vector<std::string_view> parts;
  for (const std::string_view word : words) {
    std::vector<Range> ranges = ranges_of(split, word);
    apply(split.behavior, ranges);
    for (const Range& r : ranges) parts.push_back(word.substr(r.begin, r.end - r.begin));
  }
  words = std::move(parts);
}

}  // namespace lckv::data
