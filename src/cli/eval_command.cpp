#include <cmath>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "lckv/base/process.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/commands.h"
#include "lckv/eval/multiple_choice.h"
#include "lckv/eval/perplexity.h"
#include "lckv/train/model_source.h"
#include "lckv/train/precision.h"

namespace lckv::cli {

namespace {

config::Precision precision_named(const std::string& name) {
  if (name == "bf16") return config::Precision::kBf16;
  if (name == "fp32") return config::Precision::kFp32;
  if (name == "fp64") return config::Precision::kFp64;
  return config::Precision::kAuto;
}

nlohmann::ordered_json score_store(const EvalArgs& args, const train::ModelSource& source,
                                   const model::ParameterSet& weights,
                                   const eval::ForwardMode& mode) {
  config::DataConfig data;
  data.validation = {args.perplexity};
  data.sequence_tokens = args.sequence_tokens > 0 ? args.sequence_tokens : source.sequence_tokens();
  data.document_mask = source.document_mask();
  if (data.sequence_tokens > source.config().max_position_embeddings) {
    throw ConfigError(format("--sequence-tokens {} is above the model's max_position_embeddings {}",
                             data.sequence_tokens, source.config().max_position_embeddings));
  }
  if (source.has_tokenizer()) {
    data::TokenStore(args.perplexity)
        .require_tokenizer(source.tokenizer()->sha256(), source.describe());
  }
  data::ValidationLoader loader(data, args.batch_sequences, args.max_tokens);
  eval::Scorer::Options options;
  options.dtype = weights.dtype();
  options.B = args.batch_sequences;
  options.T = data.sequence_tokens;
  options.document_mask = data.document_mask;
  options.mode = mode;
  Arena plan = Arena::planning();
  const eval::Scorer planned(plan, source.config(), options);
  Arena arena = Arena::allocate(plan);
  eval::Scorer scorer(arena, source.config(), options);
  Stream stream;
  scorer.prepare(stream);
  const eval::PerplexityResult r = scorer.score(stream, weights, loader, &stop_requested());
  if (!std::isfinite(r.mean_nll)) {
    throw DataError(format("{}: the loss on {} is not finite", source.describe(), args.perplexity));
  }
  fmt::print(
      "{}: perplexity {:.4f}, loss {:.5f} over {} tokens (forward {}, T = {}, {}, {:.1f} s)\n",
      args.perplexity, r.perplexity, r.mean_nll, with_thousands(r.scored_tokens), r.forward_mode,
      r.T, name(weights.dtype()), r.elapsed_s);
  return {{"perplexity", r.perplexity},
          {"loss", r.mean_nll},
          {"scored_tokens", r.scored_tokens},
          {"forward", r.forward_mode},
          {"T", r.T},
          {"definition", "nonoverlap, every target scored"},
          {"document_mask", data.document_mask}};
}

std::string to_text(const eval::Proportion& p) {
  return format("{:.4f} +- {}", p.mean, p.std_error ? format("{:.4f}", *p.std_error) : "N/A");
}

void print_accuracy(const std::string& label, const eval::Accuracy& accuracy) {
  fmt::print("  {:<10} {:>5}  acc {}   acc_norm {}\n", label, accuracy.acc.n, to_text(accuracy.acc),
             to_text(accuracy.acc_norm));
}

nlohmann::ordered_json ask_questions(const EvalArgs& args, const train::ModelSource& source,
                                     const model::ParameterSet& weights,
                                     const eval::ForwardMode& mode) {
  const auto tokenizer =
      args.tokenizer.empty() ? source.tokenizer() : data::load_tokenizer(args.tokenizer);
  const std::vector<eval::Question> questions = eval::read_questions(args.questions);
  eval::MultipleChoiceOptions options;
  options.batch_rows = args.batch_sequences;
  options.mode = mode;
  Stream stream;
  const eval::MultipleChoiceResult r = eval::answer_questions(
      stream, source.config(), weights, *tokenizer, questions, options, &stop_requested());
  for (size_t i = 0; i < questions.size() && static_cast<int64_t>(i) < args.show; ++i) {
    fmt::print("{}\n", eval::to_text(questions[i], r.answers[i]));
  }
  double chance = 0;
  for (const eval::Question& question : questions) chance += 1.0 / double(question.choices.size());
  chance /= double(questions.size());
  fmt::print("{}: {} questions, chance {:.4f} (forward {}, {:.1f} s)\n", args.questions,
             questions.size(), chance, r.forward_mode, r.elapsed_s);
  print_accuracy("all", r.all);
  for (const auto& [kind, accuracy] : r.by_kind)
    print_accuracy(kind.empty() ? "(no kind)" : kind, accuracy);
  nlohmann::ordered_json by_kind;
  for (const auto& [kind, accuracy] : r.by_kind) {
    by_kind[kind] = {{"questions", accuracy.acc.n}, {"acc", accuracy.acc.mean}};
  }
  return {{"questions", questions.size()},
          {"acc", r.all.acc.mean},
          {"acc_norm", r.all.acc_norm.mean},
          {"chance", chance},
          {"forward", r.forward_mode},
          {"bos", r.bos},
          {"by_kind", by_kind},
          {"acc_stderr", r.all.acc.std_error.value_or(0)}};
}

}  // namespace

ExitCode run_eval(const EvalArgs& args) {
  catch_stop_signals();
  if (args.perplexity.empty() && args.questions.empty()) {
    throw Error("eval: name what to score: --perplexity STORE or --questions FILE",
                ExitCode::kUsage);
  }
  const auto source = train::ModelSource::open(args.model);
  const eval::ForwardMode mode =
      eval::parse_forward_mode(args.forward.empty() ? "iterate" : args.forward, source.config());
  train::use_threads(args.threads);
  const train::LoadedWeights loaded =
      source.load(train::resolve_precision(precision_named(args.precision)));
  nlohmann::ordered_json result = args.perplexity.empty()
                                      ? ask_questions(args, source, loaded.weights, mode)
                                      : score_store(args, source, loaded.weights, mode);
  result["model"] = source.describe();
  if (!args.json.empty()) checkpoint::write_file_atomically(args.json, result.dump(2) + "\n");
  return ExitCode::kOk;
}

}  // namespace lckv::cli
