#include "lckv/base/text.h"
#include "lckv/config/assignment.h"
#include "lckv/config/known_paths.h"

namespace lckv::config {
namespace {

/// Adds the override's assignment, or its mistake.
void read_override(const std::string& text, const Place& place,
                   std::vector<Assignment>& assignments, Mistakes& mistakes) {
  const size_t equals = text.find('=');
  const std::string path = text.substr(0, equals);
  if (equals == std::string::npos) {
    mistakes.add(place, "", "must have the form section.key=value");
  } else if (is_known_section(path)) {
    mistakes.add(place, "",
                 format("{} is a section; set one of its keys, {}.key=value", path, path));
  } else if (path == kBaseKey) {
    mistakes.add(place, "", "base can only be named in the run file");
  } else if (!is_known_path(path)) {
    mistakes.add(place, path, unknown_key_message(path));
  } else {
    try {
      assignments.push_back({path, parse_document(text.substr(equals + 1)), place});
    } catch (const SyntaxMistake& mistake) {
      mistakes.add(place, path, mistake.message);
    }
  }
}

}  // namespace

std::vector<Assignment> read_overrides(const std::vector<std::string>& overrides, int first_source,
                                       Mistakes& mistakes) {
  std::vector<Assignment> assignments;
  int source = first_source;
  for (const std::string& text : overrides) {
    read_override(text, {source++, "--set " + text, {}}, assignments, mistakes);
  }
  return assignments;
}

}  // namespace lckv::config
