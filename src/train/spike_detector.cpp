#include "lckv/train/spike_detector.h"

#include <algorithm>
#include <cmath>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::train {

namespace {

constexpr int64_t kSmallestWindow = 8;    // as checked in a run's configuration
constexpr double kLeastDeviation = 1e-3;  // of the mean

double mean_of(const std::deque<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

/// In a second sweep over the values: sums of squares alone would cancel.
double deviation_of(const std::deque<double>& values, double mean) {
  double sum = 0;
  for (const double value : values) sum += (value - mean) * (value - mean);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

}  // namespace

SpikeDetector::SpikeDetector(const config::GuardsConfig& guards)
    : window_steps_(guards.spike_window_steps), allowed_deviations_(guards.spike_deviations) {
  LCKV_CHECK(window_steps_ == 0 || window_steps_ >= kSmallestWindow,
             format("a window of {} steps", window_steps_));
}

std::optional<Spike> SpikeDetector::look(double loss, double grad_norm) {
  LCKV_CHECK(std::isfinite(loss) && std::isfinite(grad_norm),
             format("loss {}, gradient norm {}", loss, grad_norm));
  if (window_steps_ == 0) return std::nullopt;
  std::optional<Spike> spike = judge(loss, grad_norm);
  if (spike && spikes_in_row_ >= window_steps_ / 2) {
    losses_.clear();
    grad_norms_.clear();
    spike.reset();
  }
  if (spike) {
    ++spikes_in_row_;
  } else {
    take(loss, grad_norm);
  }
  return spike;
}

void SpikeDetector::take(double loss, double grad_norm) {
  spikes_in_row_ = 0;
  losses_.push_back(loss);
  grad_norms_.push_back(grad_norm);
  if (static_cast<int64_t>(losses_.size()) <= window_steps_) return;
  losses_.pop_front();
  grad_norms_.pop_front();
}

std::optional<Spike> SpikeDetector::judge(double loss, double grad_norm) const {
  const auto of_loss = judge("loss", loss, losses_);
  const auto of_norm = judge("gradient norm", grad_norm, grad_norms_);
  if (!of_loss || (of_norm && of_norm->deviations > of_loss->deviations)) return of_norm;
  return of_loss;
}

std::optional<Spike> SpikeDetector::judge(const char* what, double value,
                                          const std::deque<double>& window) const {
  const auto steps = static_cast<int64_t>(window.size());
  if (steps < std::max(kSmallestWindow, window_steps_ / 4)) return {};
  const double mean = mean_of(window);
  const double deviation = std::max(deviation_of(window, mean), kLeastDeviation * std::abs(mean));
  if (!(value - mean > allowed_deviations_ * deviation) || deviation == 0) return {};
  return Spike{what, value, mean, (value - mean) / deviation, steps};
}

SpikeDetector::State SpikeDetector::state() const {
  return {
      {losses_.begin(), losses_.end()}, {grad_norms_.begin(), grad_norms_.end()}, spikes_in_row_};
}

void SpikeDetector::restore(const State& state) {
  const auto finite = [](const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
  };
  if (state.losses.size() != state.grad_norms.size() || !finite(state.losses) ||
      !finite(state.grad_norms) || state.spikes_in_row < 0) {
    throw DataError(
        format("spike statistics of {} losses and {} gradient norms, {} spikes in a "
               "row: expected as many finite ones of each",
               state.losses.size(), state.grad_norms.size(), state.spikes_in_row));
  }
  const auto kept = std::min<int64_t>(window_steps_, static_cast<int64_t>(state.losses.size()));
  losses_.assign(state.losses.end() - kept, state.losses.end());
  grad_norms_.assign(state.grad_norms.end() - kept, state.grad_norms.end());
  spikes_in_row_ = state.spikes_in_row;
}

std::string to_text(int64_t step, const Spike& spike, bool applied) {
  return format(
      "step {}: {} {:.4g} is {:.1f} standard deviations above the mean {:.4g} of the last {} "
      "ordinary steps: update {}",
      step, spike.what, spike.value, spike.deviations, spike.mean, spike.window_steps,
      applied ? "applied" : "skipped");
}

}  // namespace lckv::train
