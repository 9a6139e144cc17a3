#include "run_file.h"

#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/model/model.h"
#include "lckv/train/trainer.h"

namespace lckv::golden {

namespace {

/// Builds T in an arena of exactly the planned size.
template <class T>
struct Planned {
  template <class... Args>
  explicit Planned(Args... args) : plan(Arena::planning()) {
    T planned(plan, args...);
    arena = std::make_unique<Arena>(Arena::allocate(plan));
    object = std::make_unique<T>(*arena, args...);
  }
  Arena plan;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<T> object;
};

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

train::Trainer::Options trainer_options(const RunSettings& settings, int64_t B, int64_t T) {
  train::Trainer::Options options;
  options.dtype = settings.dtype;
  options.B = B;
  options.T = T;
  return options;
}

std::vector<double> logits_of(train::Trainer& trainer, Stream& stream, const Rows& rows) {
  const model::Dims& d = trainer.network().dims();
  Buffer logits(accumulator(trainer.weights().dtype()), {d.N(), d.V});
  trainer.network().logits(stream, trainer.weights(), {rows.inputs, rows.targets, {}},
                           logits.view());
  return to_doubles(logits.view());
}

void run_case(const GoldenFile& file, const RunSettings& settings, Report& report) {
  const Shape shape = file.shape("tokens");  // [B, T]
  Planned<train::Trainer> trainer(file.config, trainer_options(settings, shape[0], shape[1]));
  Stream stream;
  trainer.object->prepare(stream);
  file.load_weights(trainer.object->weights());
  const Rows rows = cut_rows(file.tokens("tokens"), shape[1], false);
  const Shape logits = {shape[0], shape[1], file.config.vocab_size};
  report.compare("logits", logits, logits_of(*trainer.object, stream, rows),
                 file.values("logits", logits));

  const double scored = static_cast<double>(shape[0] * (shape[1] - 1));
  const double sum_nll = trainer.object->network().score_with_gradient(
      stream, trainer.object->weights(), trainer.object->gradients(),
      {rows.inputs, rows.targets, {}}, 1 / scored, ops::GradMode::kOverwrite);
  std::vector<double> nll = to_doubles(trainer.object->network().nll());
  std::vector<double> scored_nll;
  for (size_t n = 0; n < nll.size(); ++n) {
    if (rows.targets[n] >= 0) scored_nll.push_back(nll[n]);
  }
  const Shape scored_shape = {shape[0], shape[1] - 1};
  report.compare("nll", scored_shape, scored_nll, file.values("nll", scored_shape));
  report.compare("loss", {}, {sum_nll / scored}, file.values("loss", {}));
  file.require_no_others("grad.", trainer.object->gradients().table());
  for (const model::Parameter& parameter : trainer.object->gradients().table().parameters) {
    const std::string name = "grad." + parameter.name;
    report.compare(name, parameter.shape, to_doubles(trainer.object->gradients().view(parameter)),
                   file.values(name, parameter.shape));
  }
}

void run_training(const GoldenFile& file, const RunSettings& settings, Report& report) {
  const Shape shape = file.shape("batches");  // [steps, B, T + 1]
  const int64_t steps = shape[0], B = shape[1], T = shape[2] - 1;
  Planned<train::Trainer> trainer(file.config, trainer_options(settings, B, T));
  Stream stream;
  trainer.object->prepare(stream);
  file.load_weights(trainer.object->masters());
  trainer.object->publish_masters(stream);

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
    const auto next = [&](int64_t) { return model::TokenBatch{rows.inputs, rows.targets, {}}; };
    const train::StepResult result =
        trainer.object->step(stream, next, 1, B * T, optimizer, lrs[static_cast<size_t>(s)], s + 1);
    losses.push_back(result.loss);
    norms.push_back(result.grad_norm);
  }
  report.compare("losses", {steps}, losses, file.values("losses", {steps}));
  report.compare("grad_norms", {steps}, norms, file.values("grad_norms", {steps}));
  file.require_no_others("final.", trainer.object->masters().table());
  for (const model::Parameter& parameter : trainer.object->masters().table().parameters) {
    const std::string name = "final." + parameter.name;
    report.compare(name, parameter.shape, to_doubles(trainer.object->masters().view(parameter)),
                   file.values(name, parameter.shape));
  }
}

void run_decoding(const GoldenFile& file, const RunSettings& settings, Report& report) {
  const Shape shape = file.shape("tokens");
  train::Trainer::Options options = trainer_options(settings, shape[0], shape[1]);
  Planned<train::Trainer> trainer(file.config, options);
  Stream stream;
  trainer.object->prepare(stream);
  file.load_weights(trainer.object->weights());
  const Rows rows = cut_rows(file.tokens("tokens"), shape[1], false);
  const std::vector<double> ours = logits_of(*trainer.object, stream, rows);
  const Shape logits = {shape[0], shape[1], file.config.vocab_size};
  report.compare("logits", logits, ours, file.values("logits", logits));
  report.compare("logits_parallel", logits, ours, file.values("logits_parallel", logits));
}

}  // namespace

Report run_file(const GoldenFile& file, const RunSettings& settings) {
  Report report;
  switch (file.kind) {
    case FileKind::kCase:
      run_case(file, settings, report);
      break;
    case FileKind::kTrain:
      run_training(file, settings, report);
      break;
    case FileKind::kDecode:
      run_decoding(file, settings, report);
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
