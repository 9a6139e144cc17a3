#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/config/assignment.h"
#include "lckv/config/check.h"
#include "lckv/config/known_paths.h"
#include "lckv/config/load.h"
#include "lckv/config/text_file.h"

namespace lckv::config {
namespace {

// the order in which mistakes are listed
constexpr int kRunFile = 0;
constexpr int kHfConfig = 1;
constexpr int kFirstOverride = 2;

/// The last assignment of model.from; null if there is none.
const Assignment* find_from(const std::vector<Assignment>& assignments) {
  const auto last = std::find_if(assignments.rbegin(), assignments.rend(),
                                 [](const Assignment& a) { return a.path == "model.from"; });
  return last == assignments.rend() ? nullptr : &*last;
}

/// The fields of the config.json that model.from names.
std::vector<Assignment> read_from(const Assignment& from, Mistakes& mistakes) {
  if (from.value.kind != Node::Kind::kScalar || from.value.text.empty()) return {};
  try {
    const std::string& path = from.value.text;
    return read_hf_config(read_text_file(path), {kHfConfig, path, {}}, mistakes);
  } catch (const IoError& e) {
    mistakes.add(from.place, "model.from", e.what());
    for (const std::string& path : known_paths()) {
      if (path.starts_with("model.")) mistakes.mark_unsound(path);
    }
    return {};
  }
}

/// The key's place; that of its section if it was not written, or else the file's begin.
Place place_of(const std::string& path, const Places& places, const std::string& file) {
  for (const std::string& name : {path, section_of(path)}) {
    const auto found = places.find(name);
    if (found != places.end()) return found->second;
  }
  return {kRunFile, file, {1, 1}};
}

}  // namespace

RunConfig parse_run(const std::string& yaml, const std::string& place,
                    const std::vector<std::string>& overrides) {
  RunConfig run;
  Places places;
  Mistakes mistakes;
  std::vector<Assignment> assignments =
      read_run_file(yaml, {kRunFile, place, {}}, places, mistakes);
  for (Assignment& assignment : read_overrides(overrides, kFirstOverride, mistakes)) {
    assignments.push_back(std::move(assignment));
  }
  const std::vector<Key> keys = keys_of(run);
  if (const Assignment* from = find_from(assignments)) {
    apply(read_from(*from, mistakes), keys, places, mistakes);
  }
  apply(assignments, keys, places, mistakes);
  run.model.from.clear();  // its fields are in the struct now: to_yaml must not depend on the file
  for (const Problem& problem : check_run(run, mistakes.unsound())) {
    mistakes.add(place_of(problem.path, places, place), problem.path, problem.message);
  }
  mistakes.throw_if_any();
  run.model.layer_types = canonical_layer_types(run.model);
  return run;
}

RunConfig load_run(const std::string& path, const std::vector<std::string>& overrides) {
  return parse_run(read_text_file(path), path, overrides);
}

}  // namespace lckv::config
