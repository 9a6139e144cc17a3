#include <algorithm>
#include <filesystem>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/assignment.h"
#include "lckv/config/check.h"
#include "lckv/config/known_paths.h"
#include "lckv/config/load.h"
#include "lckv/config/text_file.h"

namespace lckv::config {
namespace {

// the order in which mistakes are listed
constexpr int kRunFile = 0;
constexpr int kBase = 1;
constexpr int kHfConfig = 2;
constexpr int kFirstOverride = 3;

/// The base is not there: nothing is known of the keys that it would have given.
void refuse_base(const Assignment& base, const std::string& why, Mistakes& mistakes) {
  mistakes.add(base.place, kBaseKey, why);
  for (const std::string& path : known_paths()) mistakes.mark_unsound(path);
}

/// The assignments of the base that `run_file` names, but for `output`: two runs in one folder
/// would be one run.
std::vector<Assignment> read_base(const Assignment& base, const std::string& run_file,
                                  Places& places, Mistakes& mistakes) {
  if (base.value.kind != Node::Kind::kScalar || base.value.text.empty()) {
    refuse_base(base, format("must be the path of a run file, is {}", shown(base.value)), mistakes);
    return {};
  }
  const std::filesystem::path folder = std::filesystem::path(run_file).parent_path();
  const std::string path = (folder / base.value.text).lexically_normal().string();
  try {
    RunFile file = read_run_file(read_text_file(path), {kBase, path, {}}, places, mistakes);
    if (file.base) {
      mistakes.add(file.base->place, kBaseKey,
                   format("this file is the base of {} and cannot have one itself", run_file));
    }
    std::erase_if(file.assignments, [](const Assignment& a) { return a.path == "output"; });
    return std::move(file.assignments);
  } catch (const IoError& e) {
    refuse_base(base, e.what(), mistakes);
    return {};
  }
}

/// The assignments of the run file's base, then its own, so that its own win.
std::vector<Assignment> read_file_and_base(const std::string& yaml, const std::string& run_file,
                                           Places& places, Mistakes& mistakes) {
  Places own_places;
  const RunFile file = read_run_file(yaml, {kRunFile, run_file, {}}, own_places, mistakes);
  std::vector<Assignment> all;
  if (file.base) all = read_base(*file.base, run_file, places, mistakes);
  for (const auto& [name, place] : own_places) places[name] = place;
  all.insert(all.end(), file.assignments.begin(), file.assignments.end());
  return all;
}

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
  std::vector<Assignment> assignments = read_file_and_base(yaml, place, places, mistakes);
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
