#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/core.h>

#include "lckv/base/activity.h"
#include "lckv/base/system_failure.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/cli/choices.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/equal_ranks.h"
#include "lckv/cli/generate_output.h"
#include "lckv/cli/generate_requests.h"
#include "lckv/cli/output_name.h"
#include "lckv/cli/rank_watch.h"
#include "lckv/comm/agreement.h"
#include "lckv/infer/generator.h"
#include "lckv/train/device.h"
#include "lckv/train/model_source.h"
#include "lckv/train/precision.h"
#include "lckv/train/run_ranks.h"

namespace lckv::cli {

namespace {

using nlohmann::ordered_json;

constexpr int64_t kMostBatch = 64;  // unless told otherwise

/// What is asked, once the model is known.
struct Task {
  std::vector<std::string> prompts;
  std::shared_ptr<const data::Tokenizer> tokenizer;
  std::vector<infer::Request> requests;
  infer::Prefill prefill;
  infer::SinkWindow streaming;
  bool streams = false;  // text is printed as it comes
};

void require_possible_output(const GenerateArgs& args) {
  if (args.output) require_output(*args.output);
  if (args.stream && (args.json || args.output)) {
    throw Error("generate: --stream is for text, --json and --output write whole lines",
                ExitCode::kUsage);
  }
}

Task make_task(const GenerateArgs& args, const train::ModelSource& source) {
  Task task;
  task.prompts = read_prompts(args);
  task.tokenizer =
      args.tokenizer.empty() ? source.tokenizer() : data::load_tokenizer(args.tokenizer);
  task.requests = make_requests(args, task.prompts, *task.tokenizer, source.config());
  task.prefill = infer::parse_prefill(args.prefill, args.prefill_chunk, source.config());
  task.streaming = sink_window(args);
  const bool single = task.prompts.size() == 1 && args.samples == 1;
  if (args.stream && !single) {
    throw Error(format("generate: --stream is for one prompt and one sample, there are {} and {}",
                       task.prompts.size(), args.samples),
                ExitCode::kUsage);
  }
  task.streams = single && !args.no_stream && !args.json && !args.output;
  return task;
}

/// What must be equal on all ranks.
std::string asked_text(const GenerateArgs& args, const Task& task) {
  return format(
      "{}tokenizer {}\n--prefill {} --prefill-chunk {}\n--sinks {} --window {}\n--batch {}\n"
      "--memory {}\n--tensor {}\n--json {}",
      to_text(task.requests), task.tokenizer->sha256(), args.prefill, args.prefill_chunk,
      task.streaming.sinks, task.streaming.window_tokens, args.batch, args.memory_bytes,
      args.tensor, args.json);
}

/// Copies of the model take the prompts in turn.
std::vector<infer::Request> own_requests(const Task& task, const comm::Grid& grid) {
  std::vector<infer::Request> own;
  for (const infer::Request& request : task.requests) {
    if (static_cast<int>(request.number % static_cast<uint64_t>(grid.dp)) == grid.dp_rank()) {
      own.push_back(request);
    }
  }
  return own;
}

void print_now(const std::string& text) {
  if (std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return;
  const int error = errno;
  std::clearerr(stdout);  // it is said here
  throw output_error(error);
}

/// What one rank has to say of its copy's work.
struct Work {
  std::vector<ordered_json> lines;
  infer::GenerationStats stats;
  bool interrupted = false;
};

/// This rank's part in the generation.
struct Generation {
  comm::World& world;
  const GenerateArgs& args;
  const Task& task;
  const train::ModelSource& source;
  const model::ParameterSet& weights;
  const comm::Communicators& ranks;
  Device device;
  int threads;
  const std::atomic<bool>& stop;
  std::optional<checkpoint::AtomicFile>& output;  // on rank 0, where one is asked for

  bool speaks() const { return world.rank() == 0; }
  bool speaks_for_its_copy() const { return ranks.grid.tp_rank() == 0; }
};

infer::Generator::Options generator_options(const Generation& g,
                                            std::span<const infer::Request> requests) {
  const int64_t batch = g.args.batch > 0 ? g.args.batch : kMostBatch;
  infer::Generator::Options options;
  options.dtype = g.weights.dtype();
  options.prefill = g.task.prefill;
  options.streaming = g.task.streaming;
  options.sizes = infer::batch_sizes(requests, g.task.prefill, batch);
  options.threads = g.threads;
  options.ranks = &g.ranks;
  if (g.args.memory_bytes == 0) return options;
  return infer::fit_into(g.args.memory_bytes, g.source.config(), options, requests, g.device);
}

void print_plan(const Generation& g, infer::PlacedGenerator& placed,
                const infer::BatchSizes& sizes) {
  fmt::print(stderr,
             "{}: {} prompts, {} at once, {} precision; planned {} for cache and activations, {} "
             "of it KV cache\n",
             g.source.describe(), g.task.requests.size(), sizes.batch, name(g.weights.dtype()),
             human_bytes(static_cast<double>(placed.planned_bytes())),
             human_bytes(static_cast<double>(placed.generator().cache().bytes())));
}

Work generate(const Generation& g) {
  const std::vector<infer::Request> requests = own_requests(g.task, g.ranks.grid);
  std::optional<infer::PlacedGenerator> placed;
  comm::together(g.world, [&] {
    if (requests.empty()) return;
    const auto options = generator_options(g, requests);
    placed.emplace(g.source.config(), options, g.device);
    if (g.speaks()) print_plan(g, *placed, options.sizes);
  });
  if (!placed) return {};
  infer::Generator::Listener listener;
  if (g.task.streams && g.speaks()) {
    print_now(g.task.prompts.front());
    listener = [](const infer::Generator::Event& event) { print_now(event.text); };
  }
  infer::Generator& generator = placed->generator();
  const std::vector<infer::Completion> done = generator.generate(
      placed->stream(), g.weights, g.task.tokenizer.get(), requests, listener, &g.stop);
  if (listener) print_now("\n");
  Work work;
  work.stats = generator.stats();
  size_t wanted = 0;
  for (const infer::Request& request : requests) wanted += static_cast<size_t>(request.samples);
  work.interrupted = done.size() < wanted;
  for (const infer::Completion& completion : done) {
    work.interrupted |= completion.stop == infer::StopType::kInterrupted;
    if (!g.speaks_for_its_copy()) continue;
    const infer::Request& request = requests[completion.request];
    work.lines.push_back(
        to_json(completion, request, g.task.prompts[request.number], *g.task.tokenizer));
  }
  return work;
}

/// Where one copy of several fails, the others go on to their end: all ranks learn of it then.
Work generate_together(const Generation& g) {
  Work work;
  std::exception_ptr failure;
  try {
    work = generate(g);
  } catch (const comm::AgreedError&) {
    if (g.ranks.grid.dp == 1) throw;
    failure = std::current_exception();
  } catch (const DataError&) {
    failure = std::current_exception();
  }
  comm::together(g.world, [&] {
    if (failure) std::rethrow_exception(failure);
  });
  return work;
}

void write_lines(const Generation& g, const std::vector<ordered_json>& lines) {
  std::string text;
  for (const ordered_json& line : lines) text += to_line(line) + "\n";
  if (g.args.json) print_now(text);
  if (g.output) {
    g.output->write(text.data(), text.size());
    g.output->commit();
  }
  if (!g.args.json && !g.args.output && !g.task.streams) print_now(to_text(lines));
}

/// Rank 0 has what all have generated.
void report(const Generation& g, Work work) {
  const infer::GenerationStats stats =
      gather_stats(*g.ranks.world, g.speaks_for_its_copy(), work.stats);
  const std::vector<ordered_json> lines = gather_lines(*g.ranks.world, std::move(work.lines));
  comm::together(g.world, [&] {
    if (!g.speaks()) return;
    write_lines(g, lines);
    fmt::print(stderr, "{}; seed {}\n", to_text(stats), g.args.seed);
  });
  const bool interrupted = comm::any_rank(*g.ranks.world, work.interrupted, "interrupted");
  if (!interrupted) return;
  throw Interrupted(format("generate: interrupted; {} of {} continuations had begun", lines.size(),
                           g.task.requests.size() * static_cast<size_t>(g.args.samples)));
}

train::LoadedWeights load(comm::World& world, const GenerateArgs& args, const RankWatch& watch,
                          const train::ModelSource& source, const comm::Communicators& ranks,
                          Device device) {
  const DType dtype = train::resolve_precision(precision_named(args.precision), device);
  comm::require_equal_texts(world, "precision", std::string(name(dtype)));
  std::optional<train::LoadedWeights> loaded;
  comm::together(world, [&] {
    if (watch.stop()) throw Interrupted("generate: interrupted before the model was loaded");
    loaded.emplace(source.load(dtype, ranks, device));
  });
  require_equal_ranks(world, ranks, loaded->weights);
  return std::move(*loaded);
}

}  // namespace

ExitCode run_generate(comm::World& world, const GenerateArgs& args) {
  const RankWatch watch(
      world, {.then = "ending after the token at hand", .stall_timeout_s = args.stall_timeout_s});
  comm::together(world, [&] { require_possible_output(args); });
  const auto source = train::ModelSource::open(world, args.model);
  Task task;
  comm::together(world, [&] { task = make_task(args, source); });
  const int threads = train::use_threads(world, args.threads, args.oversubscribe);
  comm::require_equal_texts(world, "what is asked", asked_text(args, task));
  const Device device = train::join_device(world, device_named(args.device));
  const comm::Communicators ranks = train::join_grid(world, source.config(), args.tensor, device);
  const train::LoadedWeights loaded = load(world, args, watch, source, ranks, device);
  std::optional<checkpoint::AtomicFile> output;  // what cannot be written shows at the beginning
  comm::together(world, [&] {
    if (args.output && world.rank() == 0) output.emplace(*args.output);
  });
  note_activity("generating");
  const Generation generation{world, args,   task,    source,       loaded.weights,
                              ranks, device, threads, watch.stop(), output};
  report(generation, generate_together(generation));
  return ExitCode::kOk;
}

}  // namespace lckv::cli
