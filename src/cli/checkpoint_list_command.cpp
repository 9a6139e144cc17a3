#include <algorithm>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/saved_states.h"

namespace lckv::cli {

namespace {

using nlohmann::ordered_json;

/// The states of a run, newest first, and which of them stand out.
struct Listing {
  std::filesystem::path path;
  std::vector<StateFacts> states;
  bool verified = false;
  std::optional<int64_t> newest;  // of those not known to be damaged
  std::optional<int64_t> best;
};

Listing make_listing(const CheckpointListArgs& args) {
  const GivenFolder folder = look_at_folder(args.folder);
  Listing listing;
  listing.path = folder.path;
  listing.verified = args.verify;
  for (const checkpoint::StateFolder& state : folder.states) {
    StateFacts facts = look_at_state(state.path);
    if (args.verify) verify_bytes(facts);
    if (facts.is_removed) continue;
    if (!facts.is_damaged() && !listing.newest) listing.newest = facts.folder.step;
    listing.states.push_back(std::move(facts));
  }
  listing.best = best_step(listing.states);
  return listing;
}

std::string marks_of(const Listing& listing, const StateFacts& state) {
  std::vector<std::string> marks;
  if (listing.newest == state.folder.step) marks.push_back("newest");
  if (listing.best == state.folder.step) marks.push_back("best");
  if (state.is_damaged()) marks.push_back("damaged");
  return joined(marks);
}

void print_row(const Listing& listing, const StateFacts& state) {
  const bool is_readable = state.bytes > 0;
  fmt::print("{:>12} {:>12} {:>6}  {:<20}  {:>10}  {}\n", with_thousands(state.folder.step),
             is_readable ? human_bytes(static_cast<double>(state.bytes)) : "?",
             is_readable ? std::to_string(state.manifest.files.size()) : "?",
             state.saved_at.empty() ? "?" : state.saved_at,
             state.validation ? format("{:.4f}", state.validation->loss) : "-",
             marks_of(listing, state));
}

void print_table(const Listing& listing) {
  if (listing.states.empty()) {
    fmt::print("{}: no saved states yet\n", listing.path.string());
    return;
  }
  fmt::print("{}: saved states{}\n", listing.path.string(),
             listing.verified ? ", every byte read" : "");
  fmt::print("{:>12} {:>12} {:>6}  {:<20}  {:>10}\n", "step", "size", "ranks", "saved at",
             "validation");
  for (const StateFacts& state : listing.states) print_row(listing, state);
  for (const StateFacts& state : listing.states) {
    for (const auto& damage : state.damages) fmt::print("{}\n", to_string(damage));
  }
}

ordered_json to_json(const Listing& listing, const StateFacts& state) {
  ordered_json json = {{"step", state.folder.step},
                       {"path", state.folder.path.string()},
                       {"bytes", state.bytes},
                       {"ranks", state.manifest.files.size()},
                       {"saved_at", state.saved_at},
                       {"validation", nullptr},
                       {"newest", listing.newest == state.folder.step},
                       {"best", listing.best == state.folder.step},
                       {"damages", damages_json(state)}};
  if (state.validation) {
    json["validation"] = {{"step", state.validation->step}, {"loss", state.validation->loss}};
  }
  return json;
}

}  // namespace

ExitCode run_checkpoint_list(const CheckpointListArgs& args) {
  const Listing listing = make_listing(args);
  if (args.json) {
    ordered_json json = {{"folder", listing.path.string()},
                         {"verified", listing.verified},
                         {"states", ordered_json::array()}};
    for (const StateFacts& state : listing.states)
      json["states"].push_back(to_json(listing, state));
    fmt::print("{}\n", json.dump(2));
  } else {
    print_table(listing);
  }
  const bool any_damaged = std::any_of(listing.states.begin(), listing.states.end(),
                                       [](const StateFacts& state) { return state.is_damaged(); });
  return args.verify && any_damaged ? ExitCode::kCheckFailed : ExitCode::kOk;
}

}  // namespace lckv::cli
