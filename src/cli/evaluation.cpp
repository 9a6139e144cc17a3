#include "lckv/cli/evaluation.h"

#include <algorithm>

#include <fmt/core.h>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/data/tokenizer.h"
#include "lckv/eval/token_trie.h"

namespace lckv::cli {

namespace {

constexpr double kSayEvery_s = 10;

double ratio(int64_t a, int64_t b) {
  return b > 0 ? static_cast<double>(a) / static_cast<double>(b) : 0;
}

}  // namespace

std::string Evaluation::grid_suffix() const {
  return ranks.grid.ranks() > 1 ? ", " + to_string(ranks.grid) : "";
}

eval::RowScorer::Options Evaluation::scorer_options(int64_t usual_batch_tokens) const {
  return {.mode = mode,
          .batch_tokens = args.batch_tokens > 0 ? args.batch_tokens : usual_batch_tokens,
          .shares_prefixes = args.share_prefixes,
          .bf16_logits = args.logits == "bf16",
          .ranks = &ranks};
}

std::shared_ptr<const data::Tokenizer> Evaluation::tokenizer() const {
  auto chosen = args.tokenizer.empty() ? source.tokenizer() : data::load_tokenizer(args.tokenizer);
  if (chosen->vocab_size() > source.config().vocab_size) {
    throw DataError(format("the tokenizer has {} tokens, the model's vocabulary {}",
                           chosen->vocab_size(), source.config().vocab_size));
  }
  return chosen;
}

void ScoringProgress::operator()(int64_t done, int64_t all) {
  if (done == all || watch_.elapsed_s() < said_s_ + kSayEvery_s) return;
  said_s_ = watch_.elapsed_s();
  const double left_s = said_s_ / static_cast<double>(done) * static_cast<double>(all - done);
  log_info(format("{}: {} of {}, {} left", what_, with_thousands(done), with_thousands(all),
                  human_duration(left_s)));
}

std::string to_text(const eval::RowScorer::Work& work) {
  return format("{} requests, {} tokens, {} computed ({} shared), {:.1f} s",
                with_thousands(work.rows), with_thousands(work.row_tokens),
                with_thousands(work.computed_tokens),
                with_thousands(work.row_tokens - work.computed_tokens), work.elapsed_s);
}

nlohmann::ordered_json to_json(const eval::RowScorer::Work& work) {
  return {{"requests", work.rows},
          {"row_tokens", work.row_tokens},
          {"computed_tokens", work.computed_tokens},
          {"row_tokens_per_computed", ratio(work.row_tokens, work.computed_tokens)},
          {"passes", work.most_passes},
          {"elapsed_s", work.elapsed_s},
          {"tokens_per_s",
           work.elapsed_s > 0 ? static_cast<double>(work.row_tokens) / work.elapsed_s : 0.0}};
}

PlannedRows plan_rows(std::span<const eval::TokenPair> rows, bool shares_prefixes) {
  PlannedRows planned;
  std::vector<eval::TokenSpan> inputs;
  for (const eval::TokenPair& row : rows) {
    planned.tokens += row.inputs();
    planned.longest = std::max(planned.longest, row.inputs());
    inputs.push_back(eval::TokenSpan(row.tokens).first(static_cast<size_t>(row.inputs())));
  }
  planned.rows = std::ssize(rows);
  std::sort(inputs.begin(), inputs.end(), [](eval::TokenSpan a, eval::TokenSpan b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  });
  planned.computed_tokens = eval::make_trie(inputs, shares_prefixes).tokens();
  return planned;
}

int64_t planned_bytes(const Evaluation& e, const PlannedRows& planned,
                      const eval::RowScorer::Options& options) {
  Arena plan = Arena::planning(e.device);
  const int64_t longest = std::max<int64_t>(planned.longest, 1);
  eval::RowScorer(plan, e.source.config(), e.weights, options, longest);
  return plan.bytes();
}

nlohmann::ordered_json report_plan(const Evaluation& e, const std::string& what,
                                   const PlannedRows& planned, int64_t scoring_bytes) {
  if (e.speaks()) {
    fmt::print(
        "{}: {} requests, {} tokens, {} of them to compute ({:.2f}x), longest {}; memory of each "
        "rank: weights {}, scoring {}\n",
        what, with_thousands(planned.rows), with_thousands(planned.tokens),
        with_thousands(planned.computed_tokens), ratio(planned.tokens, planned.computed_tokens),
        planned.longest, human_bytes(static_cast<double>(e.weights_bytes)),
        human_bytes(static_cast<double>(scoring_bytes)));
  }
  return {{"requests", planned.rows},
          {"row_tokens", planned.tokens},
          {"computed_tokens", planned.computed_tokens},
          {"longest_row", planned.longest},
          {"weights_bytes", e.weights_bytes},
          {"scoring_bytes", scoring_bytes}};
}

}  // namespace lckv::cli
