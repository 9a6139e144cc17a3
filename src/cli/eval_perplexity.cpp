#include "lckv/cli/eval_perplexity.h"

#include <cmath>

#include <fmt/core.h>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/perplexity_rows.h"

namespace lckv::cli {

namespace {

using nlohmann::ordered_json;
using Kind = eval::PerplexityMode::Kind;

int64_t tokens_at_once(const Evaluation& e) {
  const int64_t T =
      e.args.sequence_tokens > 0 ? e.args.sequence_tokens : e.source.sequence_tokens();
  const int64_t most = e.source.config().max_position_embeddings;
  if (T > most) {
    throw ConfigError(
        format("--sequence-tokens {} is above the model's max_position_embeddings {}", T, most));
  }
  return T;
}

std::string definition(const eval::PerplexityMode& mode) {
  if (mode.kind == Kind::kNonoverlap) return "nonoverlap, every target scored";
  if (mode.kind == Kind::kBlocks) {
    return "blocks of T tokens, the first of each not scored, the remainder dropped";
  }
  return mode.text();
}

/// Of the mode whose definition has one.
bool has_error(const eval::PerplexityMode& mode) { return mode.kind == Kind::kLlamacpp; }

std::string error_text(const eval::PerplexityMode& mode, const eval::PerplexityResult& r) {
  if (!has_error(mode)) return "";
  return r.perplexity_stderr ? format(" +/- {:.4f}", *r.perplexity_stderr) : " +/- N/A";
}

void print_score(const Evaluation& e, const eval::PerplexityMode& mode, int64_t T,
                 const Scored& scored) {
  const eval::PerplexityResult& r = scored.result;
  fmt::print(
      "{}: perplexity {:.4f}{}, loss {:.5f} over {} tokens ({}, forward {}, T = {}, BOS {}, {}{}, "
      "{:.1f} s)\n",
      e.args.perplexity, r.perplexity, error_text(mode, r), r.mean_nll,
      with_thousands(r.scored_tokens), mode.text(), e.mode.text(), T, eval::bos_handling(mode),
      name(e.weights.dtype()), e.grid_suffix(), r.elapsed_s);
  if (scored.work) fmt::print("{}\n", to_text(*scored.work));
}

ordered_json score_json(const Evaluation& e, const eval::PerplexityMode& mode, int64_t T,
                        const Scored& scored) {
  const eval::PerplexityResult& r = scored.result;
  ordered_json json = {{"perplexity", r.perplexity},
                       {"loss", r.mean_nll},
                       {"scored_tokens", r.scored_tokens},
                       {"forward", e.mode.text()},
                       {"T", T},
                       {"mode", mode.text()},
                       {"definition", definition(mode)},
                       {"bos", eval::bos_handling(mode)},
                       {"document_mask", scored.document_mask},
                       {"logits", e.args.logits}};
  if (has_error(mode)) {
    json["perplexity_stderr"] = r.perplexity_stderr ? ordered_json(*r.perplexity_stderr) : nullptr;
  }
  if (mode.stride > 0) json["stride"] = mode.stride;
  if (scored.work) json["work"] = to_json(*scored.work);
  return json;
}

}  // namespace

EvalOutcome score_perplexity(const Evaluation& e) {
  eval::PerplexityMode mode;
  int64_t T = 0;
  comm::together(e.world, [&] {
    mode = eval::parse_perplexity_mode(e.args.perplexity_mode);
    T = tokens_at_once(e);
  });
  ordered_json plan;
  const std::optional<Scored> scored = mode.kind == eval::PerplexityMode::Kind::kNonoverlap
                                           ? score_sequences(e, T, plan)
                                           : score_windows(e, mode, T, plan);
  if (!scored) return {plan};
  if (!std::isfinite(scored->result.mean_nll)) {
    throw comm::AgreedError(
        format("{}: the loss on {} is not finite", e.source.describe(), e.args.perplexity),
        ExitCode::kData);
  }
  if (e.speaks()) print_score(e, mode, T, *scored);
  return {score_json(e, mode, T, *scored)};
}

}  // namespace lckv::cli
