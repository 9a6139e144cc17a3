#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "lckv/config/guards.h"

namespace lckv::train {

/// A step whose loss or gradient norm lies far above what was usual before it.
struct Spike {
  const char* what = "";  // "loss" or "gradient norm": the one that lies further out
  double value = 0;
  double mean = 0;           // over the window
  double deviations = 0;     // standard deviations that value lies above it
  int64_t window_steps = 0;  // steps that the mean is over
};

/// Tells spikes from ordinary steps, by `guards.spike_window_steps` (N) and
/// `guards.spike_deviations`. A pure function of the steps it was shown: ranks that are shown equal
/// numbers decide alike, and so does a resumed run.
///
///   spike   loss or gradient norm > mean + spike_deviations * deviation
///
///   window      the last N ordinary steps, spikes are left out of it; judged by once it holds
///               max(8, N/4). N is at least 8, or 0: nothing is a spike.
///   deviation   sqrt(mean of (x - mean)^2) over the window, but at least mean / 1000: values that
///               differ by roundings alone are not told apart. A mean of 0 gives no measure, and
///               nothing is a spike beside it.
///   new level   after N/2 spikes in a row the next step that would be one is ordinary: the window
///               starts over with it. So a run leaves out N/2 in a row at most, and judges none of
///               the next max(8, N/4).
class SpikeDetector {
 public:
  explicit SpikeDetector(const config::GuardsConfig& guards);

  /// The next step; call once for each whose numbers are finite, never for others. Nothing when it
  /// is ordinary.
  std::optional<Spike> look(double loss, double grad_norm);

  /// Of the window, oldest first.
  struct State {
    std::vector<double> losses, grad_norms;
    int64_t spikes_in_row = 0;
    bool operator==(const State&) const = default;
  };
  State state() const;
  /// Goes on from there, bit for bit; of a longer window the newest steps are kept. Throws
  /// DataError when it is not what state() gives.
  void restore(const State& state);

 private:
  std::optional<Spike> judge(double loss, double grad_norm) const;
  std::optional<Spike> judge(const char* what, double value,
                             const std::deque<double>& window) const;
  void take(double loss, double grad_norm);

  int64_t window_steps_;
  double allowed_deviations_;
  std::deque<double> losses_, grad_norms_;  // oldest first, of equal size
  int64_t spikes_in_row_ = 0;
};

/// "step 812: gradient norm 41.2 is 9.3 standard deviations above the mean 1.10 of the last 128
/// steps: update skipped", or "applied".
std::string to_text(int64_t step, const Spike& spike, bool applied);

}  // namespace lckv::train
