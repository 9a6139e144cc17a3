#include "run_file.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "lckv/base/text.h"
#include "lckv/infer/cached_model.h"
#include "lckv/infer/output_head.h"
#include "lckv/model/model.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/parameter_slices.h"
#include "lckv/train/run_ranks.h"
#include "lckv/train/trainer.h"

namespace lckv::golden {

namespace {

/// Rows of W tokens as inputs (all but the last token of each row, or all) and next-token targets.
struct Rows {
  std::vector<int32_t> inputs, targets;
};
Rows cut_rows(std::span<const int32_t> tokens, int64_t width, bool every_input_scored) {
  Rows rows;
  for (size_t begin = 0; begin < tokens.size(); begin += static_cast<size_t>(width)) {
    const auto row = tokens.subspan(begin, static_cast<size_t>(width));
    const size_t inputs = row.size() - (every_input_scored ? 1 : 0);
    for (size_t t = 0; t < inputs; ++t) {
      rows.inputs.push_back(row[t]);
      rows.targets.push_back(t + 1 < row.size() ? row[t + 1] : -1);
    }
  }
  return rows;
}

/// A trainer on the grid, with the weights of a golden file. Copies of the model take rows first ..
/// end-1 of the global batch, as many as there are.
class GridTrainer {
 public:
  GridTrainer(const GoldenFile& file, const RunSettings& settings, const comm::Communicators& ranks,
              int64_t rows, int64_t T)
      : file_(file),
        ranks_(ranks),
        all_rows_(rows),
        T_(T),
        whole_(file.config, ranks),
        device_(settings.device) {
    B_ = (rows + ranks.grid.dp - 1) / ranks.grid.dp;
    while (settings.sequence_parallel && B_ * T % ranks.grid.tp != 0) ++B_;
    first_ = std::min(ranks.grid.dp_rank() * B_, rows);
    end_ = std::min(first_ + B_, rows);
    train::Trainer::Options options;
    options.dtype = settings.dtype;
    options.B = B_;
    options.T = T;
    options.ranks = &ranks;
    options.sequence_parallel = settings.sequence_parallel;
    Arena plan = Arena::planning(device_);
    train::Trainer(plan, file.config, options);
    arena_.emplace(Arena::allocate(plan));
    trainer_.emplace(*arena_, file.config, options);
    trainer_->prepare(stream_);
    trainer_->set_weights(stream_, [&](const model::Parameter& parameter, View local) {
      file.read_weight(parameter, local);
    });
  }

  train::Trainer& trainer() { return *trainer_; }
  Stream& stream() { return stream_; }
  bool compares() const { return ranks_.grid.rank == 0; }

  /// This copy's rows of a global batch.
  model::TokenBatch own(const Rows& rows) const {
    const auto cut = [&](const std::vector<int32_t>& all) {
      return std::span(all).subspan(static_cast<size_t>(first_ * T_),
                                    static_cast<size_t>((end_ - first_) * T_));
    };
    return {cut(rows.inputs), cut(rows.targets), {}};
  }

  /// Per row of [N] or [N, width]: those of all copies, in order, without padding rows.
  std::vector<double> rows_of_all(ConstView local) {
    const int64_t width = local.numel() / (B_ * T_);
    const Buffer all(local.dtype(), {ranks_.grid.dp * local.numel()}, device_);
    ranks_.dp->all_gather(stream_, all.view(), local.reshape({local.numel()}), "golden rows");
    std::vector<double> values = to_doubles(all.view());
    // Only the last copies' ends are padding.
    values.resize(static_cast<size_t>(all_rows_ * T_ * width));
    return values;
  }

  std::vector<double> logits(const Rows& rows) {
    const model::Dims& d = trainer_->network().dims();
    const Buffer logits(accumulator(trainer_->weights().dtype()), {d.N(), d.V}, device_);
    trainer_->network().logits(stream_, trainer_->weights(), own(rows), logits.view());
    return rows_of_all(logits.view());
  }

  double sum_over_copies(double value) {
    ranks_.dp->all_reduce(stream_, View(&value, DType::kF64, {1}), comm::ReduceOp::kSum,
                          "golden loss");
    return value;
  }

  /// Compares whole tensors that the ranks own parts of.
  void compare_tensors(const std::string& prefix, const std::vector<View>& owned, Report& report) {
    if (compares()) file_.require_no_others(prefix, trainer_->weights().table());
    whole_.gather(stream_, owned, [&](const model::Parameter& parameter, ConstView tensor) {
      const std::string name = prefix + parameter.name;
      report.compare(name, parameter.shape, to_doubles(tensor),
                     file_.values(name, parameter.shape));
    });
  }

  /// The gradients' sums over all copies.
  std::vector<View> reduced_gradients() {
    const model::ParameterSet& gradients = trainer_->gradients();
    Arena plan = Arena::planning(device_);
    const train::Zero1 planned(plan, gradients.table(), ranks_);
    Arena memory = Arena::allocate(plan);
    train::Zero1 zero1(memory, gradients.table(), ranks_);
    std::vector<View> owned;
    for (size_t b = 0; b < gradients.buckets().size(); ++b) {
      zero1.start_reduce(stream_, gradients, static_cast<int>(b));
      owned.push_back(
          model::owned_part(gradients.buckets()[b], gradients.table(), ranks_.grid.dp_rank()));
    }
    zero1.finish_reduce();
    return owned;
  }

 private:
  const GoldenFile& file_;
  const comm::Communicators& ranks_;
  int64_t all_rows_, T_, B_ = 0, first_ = 0, end_ = 0;
  train::WholeTensors whole_;
  const Device device_;
  Stream stream_{device_};
  std::optional<Arena> arena_;
  std::optional<train::Trainer> trainer_;
};

void run_case(const GoldenFile& file, const RunSettings& settings, const comm::Communicators& ranks,
              Report& report) {
  const Shape shape = file.shape("tokens");  // [B, T]
  GridTrainer run(file, settings, ranks, shape[0], shape[1]);
  const Rows rows = cut_rows(file.tokens("tokens"), shape[1], false);
  const Shape logits_shape = {shape[0], shape[1], file.config.vocab_size};
  const std::vector<double> logits = run.logits(rows);
  const double scored = static_cast<double>(shape[0] * (shape[1] - 1));
  const double sum_nll = run.sum_over_copies(run.trainer().network().score_with_gradient(
      run.stream(), run.trainer().weights(), run.trainer().gradients(), run.own(rows), 1 / scored,
      ops::GradMode::kOverwrite));
  const std::vector<double> nll = run.rows_of_all(run.trainer().network().nll());
  const std::vector<View> gradients = run.reduced_gradients();
  if (run.compares()) {
    report.compare("logits", logits_shape, logits, file.values("logits", logits_shape));
    std::vector<double> scored_nll;
    for (size_t n = 0; n < nll.size(); ++n) {
      if (rows.targets[n] >= 0) scored_nll.push_back(nll[n]);
    }
    const Shape scored_shape = {shape[0], shape[1] - 1};
    report.compare("nll", scored_shape, scored_nll, file.values("nll", scored_shape));
    report.compare("loss", {}, {sum_nll / scored}, file.values("loss", {}));
  }
  run.compare_tensors("grad.", gradients, report);
}

void run_training(const GoldenFile& file, const RunSettings& settings,
                  const comm::Communicators& ranks, Report& report) {
  const Shape shape = file.shape("batches");  // [steps, B, T + 1]
  const int64_t steps = shape[0], B = shape[1], T = shape[2] - 1;
  GridTrainer run(file, settings, ranks, B, T);
  const std::vector<int32_t> batches = file.tokens("batches");
  const std::vector<double> lrs = file.values("lrs", {steps});
  config::OptimizerConfig optimizer;  // the recipe of the golden README
  optimizer.beta1 = 0.9;
  optimizer.beta2 = 0.95;
  optimizer.eps = 1e-8;
  optimizer.weight_decay = 0.1;
  optimizer.clip_norm = 1.0;
  std::vector<double> losses, norms;
  for (int64_t s = 0; s < steps; ++s) {
    const auto tokens = std::span(batches).subspan(static_cast<size_t>(s * B * (T + 1)),
                                                   static_cast<size_t>(B * (T + 1)));
    const Rows rows = cut_rows(tokens, T + 1, true);
    const model::TokenBatch own = run.own(rows);
    const train::StepResult result = run.trainer().step(
        run.stream(), [&](int64_t) { return own; }, 1, std::ssize(own.targets), optimizer,
        lrs[static_cast<size_t>(s)], s + 1);
    losses.push_back(result.loss);
    norms.push_back(result.grad_norm);
  }
  if (run.compares()) {
    report.compare("losses", {steps}, losses, file.values("losses", {steps}));
    report.compare("grad_norms", {steps}, norms, file.values("grad_norms", {steps}));
  }
  run.compare_tensors("final.", run.trainer().owned_masters(), report);
}

/// All sequences of a file decoded side by side, one token each in a step; [B, T, V].
std::vector<double> decode(const GoldenFile& file, const RunSettings& settings,
                           const comm::Communicators& ranks, GridTrainer& run) {
  const Shape shape = file.shape("tokens");
  const std::vector<int32_t> tokens = file.tokens("tokens");
  const int64_t B = shape[0], T = shape[1], V = file.config.vocab_size;
  infer::CachedModel::Options options;
  options.dtype = options.cache.dtype = settings.dtype;
  options.most_rows = options.most_wanted = options.cache.sequences = B;
  options.cache.most_tokens = T;
  options.ranks = &ranks;
  std::optional<Arena> arena;
  std::optional<infer::CachedModel> model;
  std::optional<infer::OutputHead> head;
  const auto place = [&](Arena& memory) {
    head.reset();
    model.emplace(memory, file.config, options);
    head.emplace(memory, file.config, model->dims(), infer::OutputHead::Options{settings.dtype, B},
                 model->tensor_parallel());
  };
  Arena plan = Arena::planning(settings.device);
  place(plan);
  arena.emplace(Arena::allocate(plan));
  place(*arena);
  model->prepare(run.stream());
  head->prepare(run.stream());
  std::vector<infer::NewTokens> entries(static_cast<size_t>(B));
  std::vector<int32_t> wanted;
  for (int64_t b = 0; b < B; ++b) {
    entries[static_cast<size_t>(b)].sequence = model->cache().add();
    wanted.push_back(static_cast<int32_t>(b));
  }
  std::vector<double> all(static_cast<size_t>(B * T * V));
  for (int64_t t = 0; t < T; ++t) {
    for (int64_t b = 0; b < B; ++b) {
      infer::NewTokens& entry = entries[static_cast<size_t>(b)];
      entry.tokens = std::span(tokens).subspan(static_cast<size_t>(b * T + t), 1);
      model->cache().append(entry.sequence, 1);
    }
    const ConstView hidden =
        model->forward(run.stream(), run.trainer().weights(), entries, wanted, {});
    const ConstView logits = head->logits(run.stream(), run.trainer().weights(), hidden);
    const std::vector<double> values = to_doubles(to_host(run.stream(), logits).view());
    for (int64_t b = 0; b < B; ++b) {
      std::copy_n(values.begin() + b * V, V, all.begin() + (b * T + t) * V);
    }
  }
  return all;
}

void run_decoding(const GoldenFile& file, const RunSettings& settings,
                  const comm::Communicators& ranks, Report& report) {
  const Shape shape = file.shape("tokens");
  GridTrainer run(file, settings, ranks, shape[0], shape[1]);
  const std::vector<double> parallel = run.logits(cut_rows(file.tokens("tokens"), shape[1], false));
  const std::vector<double> decoded = decode(file, settings, ranks, run);
  if (!run.compares()) return;
  const Shape logits = {shape[0], shape[1], file.config.vocab_size};
  report.compare("logits_parallel", logits, parallel, file.values("logits_parallel", logits));
  report.compare("logits", logits, decoded, file.values("logits", logits));
}

comm::Communicators join_grid(comm::World& world, const GoldenFile& file,
                              const RunSettings& settings) {
  if (settings.device_comm == config::DeviceComm::kAuto) {
    return train::join_grid(world, file.config, settings.tensor, settings.device);
  }
  config::RunConfig run;
  run.model = file.config;
  run.parallel.tensor = settings.tensor;
  run.parallel.device_comm = settings.device_comm;
  run.train.sequences_per_step = world.size() / settings.tensor;  // the file has its own batch
  return train::join_grid(world, run, settings.device);
}

}  // namespace

Report run_file(comm::World& world, const GoldenFile& file, const RunSettings& settings) {
  const comm::Communicators ranks = join_grid(world, file, settings);
  Report report;
  switch (file.kind) {
    case FileKind::kCase:
      run_case(file, settings, ranks, report);
      break;
    case FileKind::kTrain:
      run_training(file, settings, ranks, report);
      break;
    case FileKind::kDecode:
      run_decoding(file, settings, ranks, report);
      break;
  }
  return report;
}

double error_bound(const GoldenFile& file, double eps) {
  const model::Dims d = model::make_dims(file.config, 1, 1);
  const auto plan = model::build_plan(model::make_layer_specs(file.config),
                                      static_cast<int>(file.config.forward_passes),
                                      static_cast<int>(file.config.backward_passes));
  // forward and backward: norms, projections, scores, softmax, values, MLP
  constexpr double kSumsPerCell = 14;
  constexpr double kConditioning = 8;
  const double steps =
      file.kind == FileKind::kTrain ? static_cast<double>(file.shape("batches")[0]) : 1;
  const double longest_sum = static_cast<double>(std::max({d.C, d.F, d.Cq(), d.V}));
  const double roundings =
      static_cast<double>(plan.cells.size()) * kSumsPerCell * longest_sum * steps;
  return kConditioning * eps * std::sqrt(roundings);
}

}  // namespace lckv::golden
