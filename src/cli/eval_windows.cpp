#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/cli/eval_perplexity.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/perplexity_rows.h"
#include "lckv/eval/score_rows.h"

namespace lckv::cli {

namespace {

eval::TokenText read_text(const Evaluation& e) {
  if (eval::is_text(e.args.perplexity)) {
    return eval::encode_text_files(e.args.perplexity, *e.tokenizer(), e.args.max_tokens);
  }
  require_same_tokenizer(e);
  return eval::read_token_store(e.args.perplexity, e.args.max_tokens);
}

std::string fingerprint_of(const eval::TokenText& text) {
  StreamHash hash;
  hash.update(text.tokens.data(), text.tokens.size() * sizeof(int32_t));
  hash.update(text.document_starts.data(), text.document_starts.size() * sizeof(int64_t));
  return format("{} tokens {:016x}", text.tokens.size(), hash.digest());
}

}  // namespace

std::optional<Scored> score_windows(const Evaluation& e, const eval::PerplexityMode& mode,
                                    int64_t T, nlohmann::ordered_json& plan) {
  std::vector<eval::TokenPair> rows;
  std::string fingerprint;
  comm::together(e.world, [&] {
    const eval::TokenText text = read_text(e);
    eval::require_vocabulary(text.vocab_size, e.source.config().vocab_size);
    fingerprint = fingerprint_of(text);
    rows = eval::rows_of(text, mode, T);
    if (!rows.empty()) return;
    throw DataError(format("{}: no token of its {} is scored in mode {} with T = {}",
                           e.args.perplexity, text.tokens.size(), mode.text(), T));
  });
  comm::require_equal_texts(e.world, "text", fingerprint);
  const eval::RowScorer::Options options = e.scorer_options(e.args.batch_sequences * T);
  if (e.args.dry_run) {
    const PlannedRows planned = plan_rows(rows, options.shares_prefixes);
    plan = report_plan(e, e.args.perplexity, planned, planned_bytes(e, planned, options));
    return std::nullopt;
  }
  Stream stream(e.device);
  eval::RowScorer scorer(e.source.config(), e.weights, options);
  ScoringProgress progress(e.args.perplexity);
  Scored scored;
  scored.result =
      eval::perplexity_of_rows(stream, scorer, rows, kBatchesOfPart * options.batch_tokens, &e.stop,
                               [&](size_t done, size_t all) {
                                 progress(static_cast<int64_t>(done), static_cast<int64_t>(all));
                               });
  scored.work = eval::total_work(stream, e.ranks, scorer.work());
  return scored;
}

}  // namespace lckv::cli
