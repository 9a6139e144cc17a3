#include "lckv/data/bpe.h"

#include <algorithm>
#include <queue>
#include <tuple>

#include "lckv/base/random.h"
#include "lckv/data/byte_alphabet.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

constexpr uint64_t kNoMerge = ~uint64_t{0};
constexpr size_t kShortUnits = 64;  // up to here the whole word is searched for every merge
constexpr std::string_view kBlank = "\u2581";

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(left) << 32 | static_cast<uint32_t>(right);
}

int32_t id_of_merge(uint64_t merge) { return static_cast<int32_t>(merge & 0xFFFFFFFFu); }

bool ends_line(std::string_view token) {
  return token.ends_with('\n') || token.ends_with(byte_token('\n'));
}

}  // namespace

Bpe::Bpe(const HfBpe& file, bool byte_level)
    : byte_level_(byte_level),
      fuse_unk_(file.fuse_unk),
      ignore_merges_(file.ignore_merges),
      byte_fallback_(file.byte_fallback),
      unk_id_(file.unk_id) {
  byte_ids_.fill(kNone);
  for (size_t i = 0; i < file.merges.size(); ++i) {
    merges_.set(pair_key(file.merges[i].first, file.merges[i].second),
                static_cast<uint64_t>(i) << 32 | static_cast<uint32_t>(file.merged[i]));
  }
  byte_level_ ? take_bytes(file) : take_characters(file);
  if (ignore_merges_) take_whole_words(file);
}

void Bpe::take_bytes(const HfBpe& file) {
  for (size_t id = 0; id < file.tokens.size(); ++id) {
    const std::string& token = file.tokens[id];
    if (token.size() != 1 || file.is_foreign[id]) continue;
    byte_ids_[static_cast<unsigned char>(token[0])] = static_cast<int32_t>(id);
  }
}

void Bpe::take_characters(const HfBpe& file) {
  std::unordered_map<std::string_view, int32_t> ids;
  for (size_t id = 0; id < file.tokens.size(); ++id) {
    const std::string& token = file.tokens[id];
    ids.emplace(token, static_cast<int32_t>(id));
    if (token.empty()) continue;
    const Utf8Character first = utf8_character(token, 0);
    if (first.size_bytes == token.size()) characters_.set(first.code_point, id);
  }
  for (size_t byte = 0; byte_fallback_ && byte < byte_ids_.size(); ++byte) {
    const auto found = ids.find(byte_token(byte));
    if (found != ids.end()) byte_ids_[byte] = found->second;
  }
  find_boundaries(file);
}

/// A word of many units, as a list from which units disappear, with a heap of what may merge next.
class Bpe::LongWord {
 public:
  LongWord(const Bpe& model, std::vector<int32_t>& ids) : model_(model), ids_(ids) {
    const auto count = static_cast<int32_t>(ids.size());
    for (int32_t i = 0; i < count; ++i) {
      next_.push_back(i + 1);
      previous_.push_back(i - 1);
    }
    for (int32_t i = 0; i + 1 < count; ++i) propose(i);
  }

  void merge_all() {
    while (!proposals_.empty()) {
      const Proposal top = proposals_.top();
      proposals_.pop();
      if (is_current(top)) merge(top);
    }
    std::erase(ids_, kNone);
  }

 private:
  struct Proposal {
    uint64_t merge;  // merge_of(left, right)
    int32_t at;
    int32_t left;
    int32_t right;
    bool operator<(const Proposal& other) const {  // the heap has the largest on top
      return std::tie(other.merge, other.at) < std::tie(merge, at);
    }
  };

  int32_t& id(int32_t at) { return ids_[static_cast<size_t>(at)]; }
  int32_t& next(int32_t at) { return next_[static_cast<size_t>(at)]; }
  bool is_end(int32_t at) const { return at == std::ssize(ids_); }

  void propose(int32_t at) {
    const int32_t left = id(at), right = id(next(at));
    const uint64_t merge = model_.merge_of(left, right);
    if (merge != kNoMerge) proposals_.push({merge, at, left, right});
  }

  bool is_current(const Proposal& p) {
    return id(p.at) == p.left && !is_end(next(p.at)) && id(next(p.at)) == p.right;
  }

  void merge(const Proposal& p) {
    const int32_t gone = next(p.at);
    id(p.at) = id_of_merge(p.merge);
    id(gone) = kNone;
    next(p.at) = next(gone);
    if (!is_end(next(p.at))) {
      previous_[static_cast<size_t>(next(p.at))] = p.at;
      propose(p.at);
    }
    const int32_t previous = previous_[static_cast<size_t>(p.at)];
    if (previous >= 0) propose(previous);
  }

  const Bpe& model_;
  std::vector<int32_t>& ids_;  // kNone: became part of the unit before
  std::vector<int32_t> next_, previous_;
  std::priority_queue<Proposal> proposals_;
};

// A merge that reaches across a boundary joins a token that ends before it to one that begins after
// it; without such merges what lies on one side has no part in what becomes of the other.
void Bpe::find_boundaries(const HfBpe& file) {
  const bool newline_is_known =
      characters_.get('\n', kNoMerge) != kNoMerge ||
      (byte_fallback_ && std::ranges::find(byte_ids_, kNone) == byte_ids_.end());
  ends_at_newline_ = newline_is_known;
  starts_at_blank_ = characters_.get(utf8_character(kBlank, 0).code_point, kNoMerge) != kNoMerge;
  for (const auto& [left, right] : file.merges) {
    const std::string& before = file.tokens[static_cast<size_t>(left)];
    const std::string& after = file.tokens[static_cast<size_t>(right)];
    if (ends_line(before)) ends_at_newline_ = false;
    if (!before.ends_with(kBlank) && after.starts_with(kBlank)) starts_at_blank_ = false;
  }
}

void Bpe::take_whole_words(const HfBpe& file) {
  tokens_ = file.tokens;
  for (size_t id = 0; id < tokens_.size(); ++id) {
    if (!file.is_foreign[id]) whole_words_.emplace(tokens_[id], static_cast<int32_t>(id));
  }
}

void Bpe::encode(std::string_view word, WordCache& cache, std::vector<int32_t>& ids) const {
  if (ignore_merges_) {
    const auto whole = whole_words_.find(word);
    if (whole != whole_words_.end()) {
      ids.push_back(whole->second);
      return;
    }
  }
  if (!starts_at_blank_) return encode_part(word, cache, ids);
  size_t begin = 0;
  for (size_t at = word.find(kBlank); at != word.npos; at = word.find(kBlank, at + kBlank.size())) {
    if (at == begin || word.substr(0, at).ends_with(kBlank)) continue;
    encode_part(word.substr(begin, at - begin), cache, ids);
    begin = at;
  }
  encode_part(word.substr(begin), cache, ids);
}

void Bpe::encode_part(std::string_view part, WordCache& cache, std::vector<int32_t>& ids) const {
  const bool cached = part.size() <= WordCache::kMaxWordBytes;
  const uint64_t hash = cached ? hash_bytes(part.data(), part.size()) : 0;
  if (cached) {
    if (const auto known = cache.find(part, hash)) {
      ids.insert(ids.end(), known->begin(), known->end());
      return;
    }
  }
  const std::vector<int32_t> found = units_of(part);
  if (cached) cache.put(part, hash, found);
  ids.insert(ids.end(), found.begin(), found.end());
}

std::vector<int32_t> Bpe::units_of(std::string_view part) const {
  Units units;
  byte_level_ ? append_bytes(part, units) : append_characters(part, units);
  if (units.unk_pending) units.ids.push_back(*unk_id_);
  units.ids.size() <= kShortUnits ? merge_short(units.ids) : merge_long(units.ids);
  return std::move(units.ids);
}

void Bpe::append_bytes(std::string_view part, Units& units) const {
  for (const char byte : part) append_unit(byte_ids_[static_cast<unsigned char>(byte)], units);
}

void Bpe::append_characters(std::string_view part, Units& units) const {
  for (size_t at = 0; at < part.size();) {
    const Utf8Character character = utf8_character(part, at);
    const auto id = static_cast<int32_t>(characters_.get(character.code_point, kNoMerge));
    const std::string_view bytes = part.substr(at, character.size_bytes);
    at += character.size_bytes;
    if (id == kNone && append_fallback(bytes, units)) continue;
    append_unit(id, units);
  }
}

// Of unknown units in a row, fused, one is noted down: when the next known one comes.
void Bpe::append_unit(int32_t id, Units& units) const {
  const bool known = id != kNone;
  if (!known && !unk_id_) return;
  if (units.unk_pending && (known || !fuse_unk_)) units.ids.push_back(*unk_id_);
  if (known) units.ids.push_back(id);
  units.unk_pending = !known;
}

// Passes an unknown unit that is pending, as the library does.
bool Bpe::append_fallback(std::string_view character, Units& units) const {
  const auto id_of = [&](char byte) { return byte_ids_[static_cast<unsigned char>(byte)]; };
  const bool all = std::ranges::all_of(character, [&](char byte) { return id_of(byte) != kNone; });
  if (!byte_fallback_ || !all) return false;
  for (const char byte : character) units.ids.push_back(id_of(byte));
  return true;
}

uint64_t Bpe::merge_of(int32_t left, int32_t right) const {
  return merges_.get(pair_key(left, right), kNoMerge);
}

void Bpe::merge_short(std::vector<int32_t>& ids) const {
  std::array<uint64_t, kShortUnits> merges;  // of every unit and the next
  size_t pairs = ids.empty() ? 0 : ids.size() - 1;
  for (size_t i = 0; i < pairs; ++i) merges[i] = merge_of(ids[i], ids[i + 1]);
  while (pairs > 0) {
    auto* const best = std::min_element(merges.begin(), merges.begin() + pairs);
    if (*best == kNoMerge) return;
    const auto at = static_cast<size_t>(best - merges.begin());
    ids[at] = id_of_merge(*best);
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    std::copy(best + 1, merges.begin() + pairs, best);
    --pairs;
    if (at > 0) merges[at - 1] = merge_of(ids[at - 1], ids[at]);
    if (at < pairs) merges[at] = merge_of(ids[at], ids[at + 1]);
  }
}

void Bpe::merge_long(std::vector<int32_t>& ids) const { LongWord(*this, ids).merge_all(); }

}  // namespace lckv::data
