#include "lckv/base/text.h"
#include "lckv/cli/eval_perplexity.h"
#include "lckv/comm/agreement.h"
#include "lckv/data/token_store.h"
#include "lckv/eval/score_rows.h"
#include "lckv/eval/token_text.h"
#include "lckv/train/data_fingerprint.h"

namespace lckv::cli {

namespace {

using nlohmann::ordered_json;

/// A scorer in memory of its own.
struct PlacedScorer {
  PlacedScorer(const config::ModelConfig& config, const eval::Scorer::Options& options,
               Device device)
      : stream(device), plan(Arena::planning(device)) {
    const eval::Scorer planned(plan, config, options);
    arena.emplace(Arena::allocate(plan));
    scorer.emplace(*arena, config, options);
    scorer->prepare(stream);
  }
  Stream stream;
  Arena plan;
  std::optional<Arena> arena;
  std::optional<eval::Scorer> scorer;
};

config::DataConfig store_to_score(const Evaluation& e, int64_t T) {
  if (eval::is_text(e.args.perplexity)) {
    throw ConfigError(
        format("{}: a text has no sequences: make a store of it with lckv tokenize, or score its "
               "documents with --perplexity-mode rolling",
               e.args.perplexity));
  }
  require_same_tokenizer(e);
  config::DataConfig data;
  data.validation = {e.args.perplexity};
  data.sequence_tokens = T;
  data.document_mask = e.source.document_mask();
  return data;
}

/// It runs a fixed number of passes, in batches of whole sequences, and rounds no logits.
bool takes_network(const Evaluation& e) {
  return !e.mode.is_sequential() && e.mode.converge_eps() == 0 && e.args.logits == "fp32" &&
         e.args.batch_tokens == 0;
}

eval::Scorer::Options network_options(const Evaluation& e, const config::DataConfig& data) {
  eval::Scorer::Options options;
  options.dtype = e.weights.dtype();
  options.B = e.args.batch_sequences;
  options.T = data.sequence_tokens;
  options.document_mask = data.document_mask;
  options.mode = e.mode;
  options.ranks = &e.ranks;
  return options;
}

/// The network of training, whose passes are as many for every sequence.
eval::PerplexityResult score_with_network(const Evaluation& e, const config::DataConfig& data,
                                          data::ValidationLoader& loader) {
  std::optional<PlacedScorer> placed;
  comm::together(e.world,
                 [&] { placed.emplace(e.source.config(), network_options(e, data), e.device); });
  ScoringProgress progress(e.args.perplexity);
  return placed->scorer->score(placed->stream, e.weights, loader, &e.stop, std::ref(progress));
}

ordered_json plan_sequences(const Evaluation& e, const config::DataConfig& data,
                            int64_t sequences) {
  const int64_t T = data.sequence_tokens;
  const PlannedRows planned{sequences, sequences * T, sequences * T, T};
  Arena plan = Arena::planning(e.device);
  if (takes_network(e)) {
    const eval::Scorer scorer(plan, e.source.config(), network_options(e, data));
  }
  const int64_t bytes =
      takes_network(e) ? plan.bytes()
                       : planned_bytes(e, planned, e.scorer_options(e.args.batch_sequences * T));
  return report_plan(e, e.args.perplexity, planned, bytes);
}

Scored score_with_rows(const Evaluation& e, int64_t T, data::ValidationLoader& loader) {
  const eval::RowScorer::Options options = e.scorer_options(e.args.batch_sequences * T);
  Stream stream(e.device);
  eval::RowScorer scorer(e.source.config(), e.weights, options);
  ScoringProgress progress(e.args.perplexity);
  Scored scored;
  scored.result =
      eval::perplexity_by_rows(stream, scorer, e.ranks, e.source.config().vocab_size, loader,
                               kBatchesOfPart * options.batch_tokens, &e.stop, std::ref(progress));
  scored.work = eval::total_work(stream, e.ranks, scorer.work());
  return scored;
}

}  // namespace

void require_same_tokenizer(const Evaluation& e) {
  if (!e.source.has_tokenizer()) return;
  data::TokenStore(e.args.perplexity)
      .require_tokenizer(e.source.tokenizer()->sha256(), e.source.describe());
}

std::optional<Scored> score_sequences(const Evaluation& e, int64_t T, ordered_json& plan) {
  config::DataConfig data;
  std::optional<data::ValidationLoader> loader;
  std::string fingerprint;
  comm::together(e.world, [&] {
    data = store_to_score(e, T);
    loader.emplace(data, e.args.batch_sequences, e.args.max_tokens);
    fingerprint = train::data_fingerprint(data.validation);
  });
  comm::require_equal_texts(e.world, "token store", fingerprint);
  if (e.args.dry_run) {
    plan = plan_sequences(e, data, loader->sequences());
    return std::nullopt;
  }
  Scored scored = takes_network(e) ? Scored{score_with_network(e, data, *loader), {}}
                                   : score_with_rows(e, T, *loader);
  scored.document_mask = data.document_mask;
  return scored;
}

}  // namespace lckv::cli
