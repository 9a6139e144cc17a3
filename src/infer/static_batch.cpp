#include "lckv/infer/static_batch.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/tensor/transfer.h"

namespace lckv::infer {

namespace {

CachedModel::Options model_options(const StaticBatch::Options& options) {
  CachedModel::Options model;
  model.dtype = options.dtype;
  model.most_rows = options.rows();
  model.most_wanted = options.sequences;
  model.cache.dtype = options.dtype;
  model.cache.sequences = options.sequences;
  model.cache.most_tokens = options.most_tokens();
  model.cache.total_tokens = options.cache_tokens();
  model.cache.chunk_tokens = options.part_tokens();
  model.cache.page_tokens = options.page_tokens;
  return model;
}

}  // namespace

int64_t StaticBatch::Options::part_tokens() const {
  int64_t part = 1;
  for (const int64_t tokens : {context_tokens, prompt_tokens}) {
    if (tokens > 0) part = std::max(part, prefill.tokens_at_once(tokens));
  }
  return part;
}

int64_t StaticBatch::Options::rows() const {
  if (begun_tokens() == 0) return sequences;
  const int64_t part = part_tokens();
  return std::max(sequences, part * std::clamp<int64_t>(prompt_rows / part, 1, prompts()));
}

int64_t StaticBatch::Options::cache_tokens() const {
  const int64_t P = page_tokens;
  const int64_t whole = (most_tokens() + P - 1) / P;
  const int64_t shared = shares_prompt ? begun_tokens() / P : 0;
  return P * (whole + (sequences - 1) * (whole - shared));
}

StaticBatch::StaticBatch(Arena& arena, const config::ModelConfig& config, const Options& options)
    : options_(options),
      model_(arena, config, model_options(options)),
      head_(arena, config, model_.dims(), {options.dtype, options.sequences},
            model_.tensor_parallel()),
      chosen_on_device_(arena.take("head", "chosen", DType::kI32, {options.sequences})) {}

void StaticBatch::prepare(Stream& stream) {
  model_.prepare(stream);
  head_.prepare(stream);
}

void StaticBatch::begin() {
  for (const int64_t sequence : sequences_) model_.cache().remove(sequence);
  sequences_.clear();
  while (std::ssize(sequences_) < options_.prompts()) {
    sequences_.push_back(model_.cache().add());
  }
}

void StaticBatch::encode(Stream& stream, const model::ParameterSet& weights,
                         std::span<const int32_t> tokens, Choice choice) {
  const int64_t n = std::ssize(tokens) / options_.prompts();
  LCKV_CHECK(n > 0 && n * options_.prompts() == std::ssize(tokens) &&
                 std::ssize(sequences_) == options_.prompts(),
             format("{} tokens for {} prompts, {} sequences", tokens.size(), options_.prompts(),
                    sequences_.size()));
  const int64_t part = options_.prefill.tokens_at_once(n);
  for (int64_t begin = 0; begin < n; begin += part) {
    encode_part(stream, weights, tokens, begin, std::min(begin + part, n), choice);
  }
  if (choice == Choice::kGreedy) fetch_chosen(stream, options_.prompts());
}

/// Tokens begin .. end-1 of every prompt, as many prompts at a time as a forward holds.
void StaticBatch::encode_part(Stream& stream, const model::ParameterSet& weights,
                              std::span<const int32_t> tokens, int64_t begin, int64_t end,
                              Choice choice) {
  const int64_t prompts = options_.prompts(), n = std::ssize(tokens) / prompts;
  const int64_t part = end - begin, at_once = std::max<int64_t>(1, options_.rows() / part);
  for (int64_t first = 0; first < prompts; first += at_once) {
    std::vector<NewTokens> entries;
    std::vector<int32_t> wanted;
    for (int64_t i = first; i < std::min(first + at_once, prompts); ++i) {
      const int64_t sequence = sequences_[static_cast<size_t>(i)];
      model_.cache().append(sequence, part);
      entries.push_back({sequence, tokens.subspan(static_cast<size_t>(i * n + begin),
                                                  static_cast<size_t>(part))});
      if (end == n) wanted.push_back(static_cast<int32_t>((i - first + 1) * part - 1));
    }
    const ConstView hidden =
        model_.forward(stream, weights, entries, wanted, {options_.prefill.passes});
    if (end == n) finish(stream, weights, hidden, first, choice);
  }
}

void StaticBatch::fork(Stream& stream) {
  while (std::ssize(sequences_) < options_.sequences) {
    sequences_.push_back(model_.cache().fork(stream, sequences_.front()));
  }
  if (!chosen_.empty()) chosen_.resize(sequences_.size(), chosen_.front());
}

void StaticBatch::decode(Stream& stream, const model::ParameterSet& weights,
                         std::span<const int32_t> tokens, Choice choice) {
  LCKV_CHECK(tokens.size() == sequences_.size() && std::ssize(sequences_) == options_.sequences,
             format("{} tokens for {} of {} sequences", tokens.size(), sequences_.size(),
                    options_.sequences));
  std::vector<NewTokens> entries;
  std::vector<int32_t> wanted;
  for (size_t i = 0; i < sequences_.size(); ++i) {
    model_.cache().append(sequences_[i], 1);
    entries.push_back({sequences_[i], tokens.subspan(i, 1)});
    wanted.push_back(static_cast<int32_t>(i));
  }
  finish(stream, weights, model_.forward(stream, weights, entries, wanted, {1}), 0, choice);
  if (choice == Choice::kGreedy) fetch_chosen(stream, options_.sequences);
}

bool StaticBatch::rewind(int64_t tokens) {
  const auto& tables = model_.cache().tables();
  if (tokens > 0 && !std::all_of(tables.begin(), tables.end(), [](const PageTable& table) {
        return table.retention().keeps_all();
      })) {
    return false;
  }
  while (std::ssize(sequences_) > options_.prompts()) {
    model_.cache().remove(sequences_.back());
    sequences_.pop_back();
  }
  for (const int64_t sequence : sequences_) model_.cache().truncate(sequence, tokens);
  return true;
}

void StaticBatch::finish(Stream& stream, const model::ParameterSet& weights, ConstView hidden,
                         int64_t first, Choice choice) {
  const int64_t count = hidden.dim(0);
  for (int64_t begin = 0; begin < count; begin += head_.chunk_rows()) {
    const int64_t end = std::min(begin + head_.chunk_rows(), count);
    const ConstView logits = head_.logits(stream, weights, hidden.slice(0, begin, end));
    if (choice == Choice::kNone) continue;
    ops::argmax(stream, chosen_on_device_.slice(0, first + begin, first + end), logits);
  }
}

void StaticBatch::fetch_chosen(Stream& stream, int64_t count) {
  const Buffer host = to_host(stream, chosen_on_device_.slice(0, 0, count));
  const auto* const tokens = host.view().data<int32_t>();
  chosen_.assign(tokens, tokens + count);
}

BatchMemory plan_batch(const config::ModelConfig& config, const StaticBatch::Options& options,
                       Device device) {
  Arena weights = Arena::planning(device), batch = Arena::planning(device);
  const model::ParameterSet parameters(model::make_parameter_table(config), weights, "weights",
                                       options.dtype);
  const StaticBatch planned(batch, config, options);
  int64_t kv_bytes = 0;
  for (const Arena::Piece& piece : batch.pieces()) {
    if (piece.kind == "kv cache") kv_bytes += piece.bytes;
  }
  return {weights.bytes(), kv_bytes, batch.bytes() - kv_bytes};
}

}  // namespace lckv::infer
