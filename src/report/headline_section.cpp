#include <algorithm>
#include <cmath>
#include <functional>

#include "lckv/base/text.h"
#include "lckv/model/dims.h"
#include "lckv/model/parameters.h"
#include "lckv/report/sections.h"
#include "lckv/report/smoothing.h"

namespace lckv::report {

namespace {

/// A value of one run: text, what stands smaller behind it, the number that runs are compared by.
struct Fact {
  std::string text = kNothing;
  std::string detail;
  double compared = NAN;
};

enum class Best { kNone, kSmallest };

struct Line {
  const char* label;
  std::function<Fact(const RunFiles&)> fact;
  Best best = Best::kNone;
};

Fact count_fact(double count) {
  if (!std::isfinite(count)) return {};
  return {human_count(count), with_thousands(int64_t(count))};
}

Fact parameters(const RunFiles& run) {
  if (!run.config) return {};
  return count_fact(double(model::make_parameter_table(run.config->model).element_count()));
}

/// Of one token over all layers that have keys and values.
Fact kv_cache(const RunFiles& run) {
  if (!run.config) return {};
  constexpr int64_t kBf16Bytes = 2;
  const model::Dims d = model::make_dims(run.config->model, 1, 1);
  int64_t layers = 0;
  for (const auto& layer : model::make_layer_specs(run.config->model)) layers += layer.has_kv;
  return {with_thousands(layers * 2 * d.Ckv() * kBf16Bytes) + " B",
          format("{} of {} layers", layers, d.L)};
}

Fact progress(const RunFiles& run) {
  const Series& loss = run.metrics.get("loss");
  const double done = loss.empty() ? NAN : loss.x.back();
  if (run.status) {
    const Status& status = *run.status;
    return {with_thousands(status.step),
            format("of {}, {}", with_thousands(status.steps), status.state)};
  }
  if (!std::isfinite(done)) return {};
  return {with_thousands(int64_t(done)),
          run.config ? format("of {}", with_thousands(run.config->train.steps)) : ""};
}

Fact tokens(const RunFiles& run) { return count_fact(last_finite(run.metrics.get("tokens"))); }

Fact loss_fact(double loss, const std::string& detail) {
  if (!std::isfinite(loss)) return {};
  return {number_or_nothing(loss, 4), detail, loss};
}

/// Of a run that ended so; never the best.
Fact not_finite() { return {"not finite", ""}; }

Fact final_training_loss(const RunFiles& run) {
  const Series& loss = run.metrics.get("loss");
  if (loss.empty()) return {};
  if (!std::isfinite(loss.y.back())) return not_finite();
  const size_t window = std::min(smoothing_window(loss.size()), loss.size());
  double sum = 0, count = 0;
  for (size_t i = loss.size() - window; i < loss.size(); ++i) {
    if (std::isfinite(loss.y[i])) sum += loss.y[i], ++count;
  }
  return loss_fact(sum / count, count < double(window)
                                    ? format("mean of {:.0f} of the last {}, the others not finite",
                                             count, window)
                                    : format("mean of the last {}", window));
}

std::string perplexity(double loss) { return format("perplexity {:.2f}", std::exp(loss)); }

Fact final_of(const RunFiles& run, const char* name) {
  const Series& losses = run.metrics.get(name);
  if (losses.empty()) return {};
  const double loss = losses.y.back();
  return std::isfinite(loss) ? loss_fact(loss, perplexity(loss)) : not_finite();
}

Fact best_of(const RunFiles& run, const char* name) {
  const Series& losses = run.metrics.get(name);
  const size_t best = smallest(losses);
  if (best == losses.size()) return {};
  return loss_fact(losses.y[best], format("step {}", with_thousands(int64_t(losses.x[best]))));
}

Fact speed(const RunFiles& run) {
  const double rate = median(run.metrics.get("tokens_per_s"));
  if (!std::isfinite(rate)) return {};
  return {with_thousands(std::llround(rate)), "median"};
}

Fact utilisation(const RunFiles& run, const char* name) {
  const double share = median(run.metrics.get(name));
  if (!std::isfinite(share)) return {};
  return {format("{:.1f} %", 100 * share), "median"};
}

Fact place(const RunFiles& run) {
  if (!run.status || run.status->ranks == 0) return {};
  return {format("{}", run.status->ranks), run.status->grid};
}

std::vector<Line> lines() {
  using R = const RunFiles&;
  return {
      {"Parameters", parameters},
      {"KV cache of a token, bf16", kv_cache},
      {"Steps", progress},
      {"Tokens trained on", tokens},
      {"Final training loss", final_training_loss, Best::kSmallest},
      {"Final validation loss", [](R run) { return final_of(run, "validation_loss"); },
       Best::kSmallest},
      {"Best validation loss", [](R run) { return best_of(run, "validation_loss"); },
       Best::kSmallest},
      {"Final exact validation loss", [](R run) { return final_of(run, "validation/exact_loss"); },
       Best::kSmallest},
      {"Best exact validation loss", [](R run) { return best_of(run, "validation/exact_loss"); },
       Best::kSmallest},
      {"Tokens per second", speed},
      {"Utilisation, executed FLOPs", [](R run) { return utilisation(run, "executed_frac"); }},
      {"Utilisation, useful FLOPs", [](R run) { return utilisation(run, "useful_frac"); }},
      {"Ranks", place},
  };
}

/// NaN where there are not two to compare.
double best_value(const std::vector<Fact>& facts) {
  double best = INFINITY;
  int compared = 0;
  for (const Fact& fact : facts) {
    if (!std::isfinite(fact.compared)) continue;
    best = std::min(best, fact.compared);
    ++compared;
  }
  return compared > 1 ? best : NAN;
}

/// The row of a line, unless no run has it; the best of several runs stands out.
void add_row(Table& table, const Line& line, const Runs& runs) {
  std::vector<Fact> facts;
  bool any = false;
  for (const RunFiles& run : runs) {
    facts.push_back(line.fact(run));
    any = any || facts.back().text != kNothing;
  }
  if (!any) return;
  const double best = line.best == Best::kSmallest ? best_value(facts) : NAN;
  Row row{line.label, {}, false};
  for (Fact& fact : facts) {
    row.cells.push_back({std::move(fact.text), std::move(fact.detail), fact.compared == best});
  }
  table.rows.push_back(std::move(row));
}

}  // namespace

Section headline_section(const PageInputs& page) {
  Table table{"", run_columns(page.runs), {}, false};
  for (const Line& line : lines()) add_row(table, line, page.runs);
  if (table.rows.empty())
    return {"Overview", "", "the runs hold neither metrics nor a config.yaml"};
  return {"Overview", table_html(table), ""};
}

}  // namespace lckv::report
