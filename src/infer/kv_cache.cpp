#include "lckv/infer/kv_cache.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/copy.h"

namespace lckv::infer {

namespace {

int64_t pages_of(int64_t tokens, int64_t page_tokens) {
  return (tokens + page_tokens - 1) / page_tokens;
}

/// Pages that layers of one retention need. A window keeps what it sees, a chunk is whole before it
/// is forgotten; either end may be within a page.
int64_t pages_needed(const KvCache::Options& o, const Retention& retention) {
  const int64_t all = o.total_tokens > 0 ? pages_of(o.total_tokens, o.page_tokens)
                                         : o.sequences * pages_of(o.most_tokens, o.page_tokens);
  if (retention.keeps_all()) return all;
  const int64_t of_one = pages_of(retention.sinks, o.page_tokens) +
                         pages_of(retention.recent_tokens + o.chunk_tokens, o.page_tokens) + 1;
  return std::min(all, o.sequences * of_one);
}

}  // namespace

KvCache::KvCache(Arena& arena, const std::vector<model::LayerSpec>& layers, const model::Dims& dims,
                 const Options& options)
    : options_(options),
      dims_(dims),
      layers_(layers.size()),
      sequences_(static_cast<size_t>(options.sequences)) {
  LCKV_CHECK(options.sequences > 0 && options.most_tokens > 0 && options.page_tokens > 0,
             format("a cache of {} sequences of {} tokens in pages of {}", options.sequences,
                    options.most_tokens, options.page_tokens));
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].has_kv) continue;
    const Retention retention = retention_of(layers, static_cast<int>(i), options.streaming);
    const auto same = std::find_if(tables_.begin(), tables_.end(), [&](const PageTable& table) {
      return table.retention() == retention;
    });
    layers_[i].table = static_cast<int>(same - tables_.begin());
    const int64_t pages = pages_needed(options, retention);
    if (same == tables_.end()) {
      tables_.emplace_back(
          PageTable::Sizes{pages, options.page_tokens, options.sequences, options.most_tokens},
          retention);
    }
    layers_[i].rows = arena.take("kv cache", format("kv.{}", i), options.dtype,
                                 {pages * options.page_tokens, 2 * dims.Ckv_tp()});
  }
}

const KvCache::Sequence& KvCache::at(int64_t sequence) const {
  LCKV_CHECK(sequence >= 0 && sequence < options_.sequences &&
                 sequences_[static_cast<size_t>(sequence)].exists,
             format("there is no sequence {}", sequence));
  return sequences_[static_cast<size_t>(sequence)];
}
KvCache::Sequence& KvCache::at(int64_t sequence) {
  return const_cast<Sequence&>(static_cast<const KvCache*>(this)->at(sequence));
}

int64_t KvCache::add() {
  const auto free = std::find_if(sequences_.begin(), sequences_.end(),
                                 [](const Sequence& sequence) { return !sequence.exists; });
  if (free == sequences_.end()) {
    throw CacheFull(format("the KV cache has its {} sequences", options_.sequences));
  }
  *free = {.exists = true};
  return free - sequences_.begin();
}

int64_t KvCache::share(int64_t of, int64_t tokens) {
  LCKV_CHECK(tokens % options_.page_tokens == 0 && tokens <= length(of),
             format("{} of {} tokens to be shared, pages have {}", tokens, length(of),
                    options_.page_tokens));
  for (const PageTable& table : tables_) {
    LCKV_CHECK(table.retention().keeps_all() || tokens >= computed(of),
               format("{} of {} tokens to be shared, behind a window", tokens, computed(of)));
  }
  const int64_t sequence = add();
  for (PageTable& table : tables_) table.share(sequence, of, tokens);
  at(sequence).length = tokens;
  at(sequence).computed = std::min(tokens, computed(of));
  return sequence;
}

int64_t KvCache::fork(Stream& stream, int64_t of) {
  const int64_t tokens = length(of), P = options_.page_tokens;
  LCKV_CHECK(computed(of) == tokens, format("sequence {} has not been computed", of));
  const bool partial = tokens % P != 0;
  for (const PageTable& table : tables_) {
    if (partial && table.free_pages() == 0) {
      throw CacheFull("the KV cache has no page left for another sequence");
    }
  }
  const int64_t sequence = add();
  at(sequence).length = at(sequence).computed = tokens;
  for (PageTable& table : tables_) table.share(sequence, of, tokens);
  if (!partial) return sequence;
  std::vector<int32_t> old;
  for (PageTable& table : tables_) old.push_back(table.separate(sequence, tokens - 1));
  for (const Layer& layer : layers_) {
    if (layer.table < 0) continue;
    const auto table = static_cast<size_t>(layer.table);
    if (old[table] == PageTable::kNoPage) continue;
    const int64_t from = old[table] * P;
    const int64_t to = tables_[table].slot(sequence, tokens - 1) / P * P;
    ops::copy(stream, layer.rows.slice(0, to, to + P), layer.rows.slice(0, from, from + P));
  }
  return sequence;
}

int64_t KvCache::rows() const {
  const auto last = std::find_if(sequences_.rbegin(), sequences_.rend(),
                                 [](const Sequence& sequence) { return sequence.exists; });
  return sequences_.rend() - last;
}

void KvCache::remove(int64_t sequence) {
  truncate(sequence, 0);
  at(sequence) = {};
}

void KvCache::truncate(int64_t sequence, int64_t length) {
  Sequence& s = at(sequence);
  for (PageTable& table : tables_) {
    LCKV_CHECK(length == 0 || length >= s.length || table.retention().keeps_all(),
               format("{} of {} tokens are to stay behind a window", length, s.length));
    table.truncate(sequence, length, s.length);
  }
  s.length = std::min(s.length, length);
  s.computed = std::min(s.computed, length);
}

bool KvCache::fits(const std::vector<int64_t>& sequences,
                   const std::vector<int64_t>& tokens) const {
  for (const PageTable& table : tables_) {
    int64_t needed = 0;
    for (size_t i = 0; i < sequences.size(); ++i) {
      const int64_t begin = length(sequences[i]);
      needed += table.pages_needed(sequences[i], begin, begin + tokens[i]);
    }
    if (needed > table.free_pages()) return false;
  }
  return true;
}

void KvCache::append(int64_t sequence, int64_t tokens) {
  Sequence& s = at(sequence);
  if (s.length + tokens > options_.most_tokens) {
    throw ConfigError(
        format("a sequence of {} tokens is longer than the {} that the cache was made for",
               s.length + tokens, options_.most_tokens));
  }
  if (!fits({sequence}, {tokens})) {
    throw CacheFull(format("the KV cache has no room for {} more tokens; {} of {} bytes are in use",
                           tokens, used_bytes(), bytes()));
  }
  for (PageTable& table : tables_) {
    LCKV_CHECK(
        tokens == 0 || s.length % options_.page_tokens == 0 || !table.is_shared(sequence, s.length),
        format("sequence {} goes on inside of a page that others read", sequence));
    table.grow(sequence, s.length, s.length + tokens);
  }
  s.length += tokens;
}

void KvCache::complete(int64_t sequence) {
  Sequence& s = at(sequence);
  s.computed = s.length;
  for (PageTable& table : tables_) table.forget(sequence, s.length);
}

namespace {

/// [pages, P, Hkv_tp, D] of the half of every row that begins at column `begin`.
ConstView pages_view(ConstView rows, int64_t page_tokens, int64_t begin, const model::Dims& d) {
  return rows.unflatten(0, rows.dim(0) / page_tokens, page_tokens)
      .slice(2, begin, begin + d.Ckv_tp())
      .unflatten(2, d.Hkv_tp(), d.D);
}

}  // namespace

ConstView KvCache::keys(int layer) const {
  return pages_view(rows(layer), options_.page_tokens, 0, dims_);
}
ConstView KvCache::values(int layer) const {
  return pages_view(rows(layer), options_.page_tokens, dims_.Ckv_tp(), dims_);
}

int64_t KvCache::bytes() const {
  int64_t total = 0;
  for (const Layer& layer : layers_) total += layer.table < 0 ? 0 : layer.rows.bytes();
  return total;
}

int64_t KvCache::bytes_of_table(size_t table) const {
  int64_t total = 0;
  for (const Layer& layer : layers_) {
    if (layer.table != static_cast<int>(table)) continue;
    total += options_.page_tokens * 2 * dims_.Ckv_tp() * size_bytes(options_.dtype);
  }
  return total;
}

int64_t KvCache::used_bytes() const {
  int64_t total = 0;
  for (size_t i = 0; i < tables_.size(); ++i) total += tables_[i].used_pages() * bytes_of_table(i);
  return total;
}

int64_t KvCache::bytes_per_token() const {
  int64_t total = 0;
  for (size_t i = 0; i < tables_.size(); ++i) {
    if (tables_[i].retention().keeps_all()) total += bytes_of_table(i) / options_.page_tokens;
  }
  return total;
}

}  // namespace lckv::infer
