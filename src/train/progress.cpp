#include "lckv/train/progress.h"

#include <cstdio>

#include "lckv/base/log.h"
#include "lckv/base/text.h"

namespace lckv::train {

namespace {
constexpr double kIntervalOnTerminal_s = 0.2;
constexpr double kIntervalInLog_s = 10;
}  // namespace

std::string to_text(const ProgressPoint& p) {
  return format(
      "step {:>{}}/{}  loss {:.4f}  lr {:.2e}  grad {:.3g}  {} tok/s  exec {:.0f}%  useful {:.0f}% "
      " ETA {}",
      p.step, std::to_string(p.steps).size(), p.steps, p.loss, p.lr, p.grad_norm,
      with_thousands(static_cast<int64_t>(p.tokens_per_s)), 100 * p.executed_frac,
      100 * p.useful_frac, human_duration(p.remaining_s));
}

ProgressLine::ProgressLine(bool watched) : watched_(watched) {}

ProgressLine::~ProgressLine() { finish(); }

void ProgressLine::show(const ProgressPoint& point) {
  const bool last = point.step == point.steps;
  const double interval_s = watched_ ? kIntervalOnTerminal_s : kIntervalInLog_s;
  if (!first_ && !last && since_last_.elapsed_s() < interval_s) return;
  first_ = false;
  since_last_.restart();
  if (!watched_) {
    log_info(to_text(point));
    return;
  }
  std::fprintf(stderr, "\r\033[K%s", to_text(point).c_str());
  std::fflush(stderr);
  open_ = true;
}

void ProgressLine::finish() {
  if (open_) std::fputs("\n", stderr);
  open_ = false;
}

}  // namespace lckv::train
