#include <optional>

#include "lckv/base/activity.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/choices.h"
#include "lckv/cli/evaluation.h"
#include "lckv/cli/rank_watch.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/token_text.h"
#include "lckv/kernels/table.h"
#include "lckv/model/init.h"
#include "lckv/train/device.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"

namespace lckv::cli {

namespace {

/// The model's weights, or in a dry run their sizes.
class Weights {
 public:
  Weights(const train::ModelSource& source, DType dtype, const comm::Communicators& ranks,
          Device device, bool loads)
      : plan_(Arena::planning(device)) {
    if (loads) {
      loaded_.emplace(source.load(dtype, ranks, device));
    } else {
      const model::ParameterShare share{ranks.grid.tp, ranks.grid.tp_rank(), /*dp=*/1};
      planned_.emplace(model::make_parameter_table(source.config(), share), plan_, "weights",
                       dtype);
    }
  }
  const model::ParameterSet& set() const { return loaded_ ? loaded_->weights : *planned_; }
  int64_t bytes() const { return loaded_ ? loaded_->arena.bytes() : plan_.bytes(); }

 private:
  Arena plan_;
  std::optional<model::ParameterSet> planned_;
  std::optional<train::LoadedWeights> loaded_;
};

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
  return format(
      "{}\n--forward {}\n--batch {} --batch-tokens {}\n--sequence-tokens {}\n--max-tokens {}\n"
      "--perplexity-mode {}\n--share-prefixes {} --logits {}\n--limit {} --num-fewshot {} "
      "--compat {}\n--dry-run {}\n--tensor {}",
      args.perplexity.empty() ? "tasks" : "--perplexity", mode.text(), args.batch_sequences,
      args.batch_tokens, args.sequence_tokens, args.max_tokens, args.perplexity_mode,
      args.share_prefixes, args.logits, args.limit.value_or(0), args.num_fewshot, args.compat,
      args.dry_run, args.tensor);
}

bool asks_tasks(const EvalArgs& args) {
  return !args.questions.empty() || !args.tasks.empty() || !args.task_files.empty();
}

void require_possible(const EvalArgs& args) {
  const auto refuse = [](const std::string& why) { throw Error("eval: " + why, ExitCode::kUsage); };
  if (args.perplexity.empty() && !asks_tasks(args)) {
    refuse("name what to score: --perplexity STORE, --tasks LIST or --questions FILE");
  }
  if (!args.perplexity.empty() && asks_tasks(args)) {
    refuse("--perplexity and tasks are asked for in commands of their own");
  }
  const bool of_tasks = !args.task_data.empty() || !args.fewshot_files.empty() || args.limit ||
                        args.num_fewshot > 0 || !args.compat.empty() || !args.output.empty() ||
                        args.log_samples || args.show > 0;
  if (!args.perplexity.empty() && of_tasks) {
    refuse(
        "--task-data, --fewshot-file, --limit, --num-fewshot, --compat, --output, "
        "--log-samples and --show are for tasks");
  }
  if (!args.perplexity.empty() && !args.tokenizer.empty() && !eval::is_text(args.perplexity)) {
    refuse("--tokenizer is for texts: a token store was made with its own");
  }
  if (args.log_samples && (args.output.empty() || args.output.ends_with(".json"))) {
    refuse("--log-samples needs --output FOLDER, where results and samples go");
  }
}

/// As asked, else as the model's folder says, else as in training.
eval::ForwardMode forward_mode(const EvalArgs& args, const config::ModelConfig& config) {
  if (!args.forward.empty()) return eval::parse_forward_mode(args.forward, config);
  return eval::default_forward_mode(config);
}

}  // namespace

ExitCode run_eval(comm::World& world, const EvalArgs& args) {
  const RankWatch watch(
      world, {.then = "ending after the batch at hand", .stall_timeout_s = args.stall_timeout_s});
  comm::together(world, [&] { require_possible(args); });
  const auto source = train::ModelSource::open(world, args.model);
  std::optional<eval::ForwardMode> mode;
  comm::together(world, [&] { mode = forward_mode(args, source.config()); });
  train::use_threads(world, args.threads, args.oversubscribe);
  comm::require_equal_texts(world, "what is asked", asked_text(args, *mode));
  const Device device = train::join_device(world, device_named(args.device));
  const comm::Communicators ranks = train::join_grid(world, source.config(), args.tensor, device);
  const DType dtype = train::resolve_precision(precision_named(args.precision), device);
  comm::require_equal_texts(world, "precision", std::string(name(dtype)));
  std::optional<Weights> weights;
  comm::together(world, [&] {
    if (watch.stop()) throw Interrupted("eval: interrupted before the model was loaded");
    weights.emplace(source, dtype, ranks, device, !args.dry_run);
  });
  if (ranks.grid.ranks() > 1 && !args.dry_run) require_equal_ranks(world, ranks, weights->set());

  note_activity("evaluating");
  const Evaluation evaluation{world, args,   source, weights->set(), weights->bytes(),
                              ranks, device, *mode,  watch.stop()};
  EvalOutcome outcome =
      args.perplexity.empty() ? ask_tasks(evaluation) : score_perplexity(evaluation);
  outcome.result["model"] = source.describe();
  if (ranks.grid.ranks() > 1) {
    outcome.result["ranks"] = ranks.grid.ranks();
    outcome.result["grid"] = to_string(ranks.grid);
  }
  comm::together(world, [&] {
    if (evaluation.speaks() && !args.json.empty()) {
      checkpoint::write_file_atomically(args.json, outcome.result.dump(2) + "\n");
    }
  });
  return outcome.code;
}

}  // namespace lckv::cli
