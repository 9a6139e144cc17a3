#include "lckv/train/status_page.h"

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/train/utc_time.h"

namespace lckv::train {

namespace {

using Json = nlohmann::ordered_json;

Json to_object(const StatusPage::Save& save) {
  return {{"step", save.step},
          {"time", utc_text(save.time)},
          {"lost_s", save.lost_s},
          {"written_s", save.written_s}};
}

Json to_object(const StatusPage::Validation& validation) {
  return {{"step", validation.step},
          {"time", utc_text(validation.time)},
          {"loss", validation.loss},
          {"exact_loss", validation.exact_loss}};
}

Json to_object(const StatusPage::Best& best) {
  return {{"step", best.step}, {"loss", best.loss}, {"exact", best.exact}};
}

Json to_object(const StatusPage::SlowestRank& slowest) {
  return {{"rank", slowest.rank}, {"age_s", slowest.age_s}};
}

template <class T>
Json to_object(const std::optional<T>& known) {
  return known ? to_object(*known) : Json(nullptr);
}

Json to_object(const StatusPage::Health& health) {
  return {{"skipped_updates", health.skipped_updates},
          {"spikes", health.spikes},
          {"slowest_rank", to_object(health.slowest_rank)},
          {"messages", health.messages}};
}

}  // namespace

const char* name(RunState state) {
  switch (state) {
    case RunState::kStarting:
      return "starting";
    case RunState::kTraining:
      return "training";
    case RunState::kValidating:
      return "validating";
    case RunState::kEvaluating:
      return "evaluating";
    case RunState::kSaving:
      return "saving";
    case RunState::kFinished:
      return "finished";
    case RunState::kStopped:
      return "stopped";
    case RunState::kFailed:
      return "failed";
  }
  LCKV_CHECK(false, format("state {}", static_cast<int>(state)));
}

bool is_final(RunState state) { return state >= RunState::kFinished; }

std::string to_json(const StatusPage& page) {
  const Json object = {{"state", name(page.state)},
                       {"message", page.message},
                       {"pid", page.pid},
                       {"host", page.host},
                       {"ranks", page.ranks},
                       {"grid", page.grid},
                       {"started", utc_text(page.started)},
                       {"updated", utc_text(page.updated)},
                       {"progressed", utc_text(page.progressed)},
                       {"step", page.step},
                       {"steps", page.steps},
                       {"loss", page.loss},
                       {"grad_norm", page.grad_norm},
                       {"lr", page.lr},
                       {"tokens", page.tokens},
                       {"tokens_per_s", page.tokens_per_s},
                       {"eta_s", page.eta_s},
                       {"last_save", to_object(page.last_save)},
                       {"last_validation", to_object(page.last_validation)},
                       {"best", to_object(page.best)},
                       {"health", to_object(page.health)}};
  // dump() writes null for what is not finite.
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace lckv::train
