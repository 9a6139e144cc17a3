#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "lckv/base/activity.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/choices.h"
#include "lckv/cli/commands.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/multiple_choice.h"
#include "lckv/eval/perplexity.h"
#include "lckv/kernels/table.h"
#include "lckv/model/init.h"
#include "lckv/train/data_fingerprint.h"
#include "lckv/train/model_source.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/stop_watcher.h"

namespace lckv::cli {

namespace {

/// What is evaluated on which ranks.
struct Evaluation {
  comm::World& world;
  const EvalArgs& args;
  const train::ModelSource& source;
  const model::ParameterSet& weights;
  const comm::Communicators& ranks;
  Device device;
  eval::ForwardMode mode;
  const std::atomic<bool>& stop;

  bool speaks() const { return world.rank() == 0; }
};

/// ", dp 2 x tp 2" where there are several ranks.
std::string grid_suffix(const comm::Grid& grid) {
  return grid.ranks() > 1 ? ", " + to_string(grid) : "";
}

config::DataConfig store_to_score(const Evaluation& e) {
  config::DataConfig data;
  data.validation = {e.args.perplexity};
  data.sequence_tokens =
      e.args.sequence_tokens > 0 ? e.args.sequence_tokens : e.source.sequence_tokens();
  data.document_mask = e.source.document_mask();
  if (data.sequence_tokens > e.source.config().max_position_embeddings) {
    throw ConfigError(format("--sequence-tokens {} is above the model's max_position_embeddings {}",
                             data.sequence_tokens, e.source.config().max_position_embeddings));
  }
  if (e.source.has_tokenizer()) {
    data::TokenStore(e.args.perplexity)
        .require_tokenizer(e.source.tokenizer()->sha256(), e.source.describe());
  }
  return data;
}

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

nlohmann::ordered_json score_store(const Evaluation& e) {
  config::DataConfig data;
  std::optional<data::ValidationLoader> loader;
  std::string fingerprint;
  comm::together(e.world, [&] {
    data = store_to_score(e);
    loader.emplace(data, e.args.batch_sequences, e.args.max_tokens);
    fingerprint = train::data_fingerprint(data.validation);
  });
  comm::require_equal_texts(e.world, "token store", fingerprint);
  eval::Scorer::Options options;
  options.dtype = e.weights.dtype();
  options.B = e.args.batch_sequences;
  options.T = data.sequence_tokens;
  options.document_mask = data.document_mask;
  options.mode = e.mode;
  options.ranks = &e.ranks;
  std::optional<PlacedScorer> placed;
  comm::together(e.world, [&] { placed.emplace(e.source.config(), options, e.device); });
  const eval::PerplexityResult r =
      placed->scorer->score(placed->stream, e.weights, *loader, &e.stop);
  if (!std::isfinite(r.mean_nll)) {
    throw comm::AgreedError(
        format("{}: the loss on {} is not finite", e.source.describe(), e.args.perplexity),
        ExitCode::kData);
  }
  if (e.speaks()) {
    fmt::print(
        "{}: perplexity {:.4f}, loss {:.5f} over {} tokens (forward {}, T = {}, {}{}, {:.1f} s)\n",
        e.args.perplexity, r.perplexity, r.mean_nll, with_thousands(r.scored_tokens),
        r.forward_mode, r.T, name(e.weights.dtype()), grid_suffix(e.ranks.grid), r.elapsed_s);
  }
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

/// Equal where the rows to score are.
std::string questions_fingerprint(const std::vector<eval::Question>& questions,
                                  const data::Tokenizer& tokenizer) {
  StreamHash hash;
  const auto add = [&](const std::string& text) { hash.update(text.c_str(), text.size() + 1); };
  for (const eval::Question& question : questions) {
    add(question.query);
    for (const std::string& choice : question.choices) add(choice);
  }
  return format("{} questions {:016x}\ntokenizer {}", questions.size(), hash.digest(),
                tokenizer.sha256());
}

double chance_of(const std::vector<eval::Question>& questions) {
  double chance = 0;
  for (const eval::Question& question : questions) chance += 1.0 / double(question.choices.size());
  return chance / double(questions.size());
}

void print_answers(const Evaluation& e, const std::vector<eval::Question>& questions,
                   const eval::MultipleChoiceResult& r) {
  for (size_t i = 0; i < questions.size() && static_cast<int64_t>(i) < e.args.show; ++i) {
    fmt::print("{}\n", eval::to_text(questions[i], r.answers[i]));
  }
  fmt::print("{}: {} questions, chance {:.4f} (forward {}{}, {:.1f} s)\n", e.args.questions,
             questions.size(), chance_of(questions), r.forward_mode, grid_suffix(e.ranks.grid),
             r.elapsed_s);
  print_accuracy("all", r.all);
  for (const auto& [kind, accuracy] : r.by_kind)
    print_accuracy(kind.empty() ? "(no kind)" : kind, accuracy);
}

nlohmann::ordered_json ask_questions(const Evaluation& e) {
  std::shared_ptr<const data::Tokenizer> tokenizer;
  std::vector<eval::Question> questions;
  comm::together(e.world, [&] {
    tokenizer =
        e.args.tokenizer.empty() ? e.source.tokenizer() : data::load_tokenizer(e.args.tokenizer);
    questions = eval::read_questions(e.args.questions);
  });
  comm::require_equal_texts(e.world, "what is asked", questions_fingerprint(questions, *tokenizer));
  eval::MultipleChoiceOptions options;
  options.batch_rows = e.args.batch_sequences;
  options.mode = e.mode;
  options.ranks = &e.ranks;
  Stream stream(e.device);
  const eval::MultipleChoiceResult r = eval::answer_questions(
      stream, e.source.config(), e.weights, *tokenizer, questions, options, &e.stop);
  if (e.speaks()) print_answers(e, questions, r);
  nlohmann::ordered_json by_kind;
  for (const auto& [kind, accuracy] : r.by_kind) {
    by_kind[kind] = {{"questions", accuracy.acc.n}, {"acc", accuracy.acc.mean}};
  }
  return {{"questions", questions.size()},
          {"acc", r.all.acc.mean},
          {"acc_norm", r.all.acc_norm.mean},
          {"chance", chance_of(questions)},
          {"forward", r.forward_mode},
          {"bos", r.bos},
          {"by_kind", by_kind},
          {"acc_stderr", r.all.acc.std_error.value_or(0)}};
}

/// Ranks of one copy multiply with parts of one matrix, copies take each other's turns: all in one
/// precision, with the same kernels and weights.
void require_equal_ranks(comm::World& world, const comm::Communicators& ranks,
                         const model::ParameterSet& weights) {
  const Device device = weights.buckets().front().device();
  comm::require_equal_texts(world, "kernels", ops::kernels(device).name);
  Stream stream;
  comm::require_equal_texts(world, "weights",
                            format("{:016x}", model::content_hash(stream, weights, *ranks.tp)));
}

/// What must be equal on all ranks of the arguments; files are compared by their content.
std::string asked_text(const EvalArgs& args, const eval::ForwardMode& mode) {
  return format("{}\n--forward {}\n--batch {}\n--sequence-tokens {}\n--max-tokens {}\n--tensor {}",
                args.perplexity.empty() ? "--questions" : "--perplexity", mode.text(),
                args.batch_sequences, args.sequence_tokens, args.max_tokens, args.tensor);
}

train::StopWatcher::Options stop_options(const comm::World& world) {
  return {.who = world.describe_rank(),
          .phase = [] { return std::string(current_activity().phase); },
          .then = "ending after the batch at hand"};
}

}  // namespace

ExitCode run_eval(comm::World& world, const EvalArgs& args) {
  const train::StopWatcher watcher(stop_requested(), stop_options(world));
  comm::together(world, [&] {
    if (args.perplexity.empty() && args.questions.empty()) {
      throw Error("eval: name what to score: --perplexity STORE or --questions FILE",
                  ExitCode::kUsage);
    }
  });
  const auto source = train::ModelSource::open(world, args.model);
  std::optional<eval::ForwardMode> mode;
  comm::together(world, [&] {
    mode =
        eval::parse_forward_mode(args.forward.empty() ? "iterate" : args.forward, source.config());
  });
  train::use_threads(world, args.threads, args.oversubscribe);
  comm::require_equal_texts(world, "what is asked", asked_text(args, *mode));
  const Device device = train::join_device(world, device_named(args.device));
  const comm::Communicators ranks = train::join_grid(world, source.config(), args.tensor, device);
  const DType dtype = train::resolve_precision(precision_named(args.precision), device);
  comm::require_equal_texts(world, "precision", std::string(name(dtype)));
  std::optional<train::LoadedWeights> loaded;
  comm::together(world, [&] {
    if (watcher.stop()) throw Interrupted("eval: interrupted before the model was loaded");
    loaded.emplace(source.load(dtype, ranks, device));
  });
  if (ranks.grid.ranks() > 1) require_equal_ranks(world, ranks, loaded->weights);

  const Evaluation evaluation{world, args,   source, loaded->weights,
                              ranks, device, *mode,  watcher.stop()};
  note_activity("evaluating");
  nlohmann::ordered_json result =
      args.perplexity.empty() ? ask_questions(evaluation) : score_store(evaluation);
  result["model"] = source.describe();
  if (ranks.grid.ranks() > 1) {
    result["ranks"] = ranks.grid.ranks();
    result["grid"] = to_string(ranks.grid);
  }
  comm::together(world, [&] {
    if (evaluation.speaks() && !args.json.empty()) {
      checkpoint::write_file_atomically(args.json, result.dump(2) + "\n");
    }
  });
  return ExitCode::kOk;
}

}  // namespace lckv::cli
