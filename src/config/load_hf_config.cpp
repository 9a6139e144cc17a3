#include "lckv/config/assignment.h"
#include "lckv/config/check.h"
#include "lckv/config/load.h"
#include "lckv/config/text_file.h"

namespace lckv::config {

ModelConfig parse_hf_config(const std::string& json, const std::string& place) {
  ModelConfig model;
  Places places;
  Mistakes mistakes;
  const Place file{0, place, {}};
  const std::vector<Assignment> assignments = read_hf_config(json, file, mistakes);
  apply(assignments, keys_of(model), places, mistakes);
  for (const Problem& problem : check_model(model, mistakes.unsound())) {
    const auto written = places.find(problem.path);
    mistakes.add(written == places.end() ? file : written->second, problem.path, problem.message);
  }
  mistakes.throw_if_any();
  model.layer_types = canonical_layer_types(model);
  return model;
}

ModelConfig load_hf_config(const std::string& path) {
  return parse_hf_config(read_text_file(path), path);
}

}  // namespace lckv::config
