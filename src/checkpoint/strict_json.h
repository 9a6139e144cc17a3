#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

// Included by .cpp files of this module alone.

namespace lckv::checkpoint {

/// nlohmann's parser keeps the last of two equal names without a word, and follows any depth, on
/// which its other functions recurse.
template <class Json>
class StrictJsonCheck {
 public:
  StrictJsonCheck(int max_depth, const std::string& place)
      : max_depth_(max_depth), place_(place), names_(static_cast<size_t>(max_depth) + 1) {}

  bool operator()(int depth, typename Json::parse_event_t event, const Json& parsed) {
    if (depth > max_depth_) {
      throw DataError(format("{}: nested deeper than {} levels", place_, max_depth_));
    }
    const auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start && level + 1 < names_.size()) {
      names_[level + 1].clear();
    }
    if (event == Json::parse_event_t::key && !names_[level].insert(parsed).second) {
      throw DataError(format("{}: name {} occurs twice", place_, parsed.dump()));
    }
    return true;
  }

 private:
  int max_depth_;
  const std::string& place_;
  std::vector<std::set<std::string>> names_;  // of the open object of each depth
};

/// The text as nlohmann::json or ordered_json. Throws DataError starting with `place` when it is no
/// JSON, holds a name twice in one object, or nests deeper than `max_depth` levels.
template <class Json>
Json parse_strict_json(const std::string& text, int max_depth, const std::string& place) {
  StrictJsonCheck<Json> check(max_depth, place);
  try {
    return Json::parse(text, std::ref(check));
  } catch (const typename Json::exception& error) {
    throw DataError(format("{}: is not valid JSON: {}", place, error.what()));
  }
}

}  // namespace lckv::checkpoint
