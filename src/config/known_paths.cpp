#include "lckv/config/known_paths.h"

#include <algorithm>

#include "lckv/base/text.h"
#include "lckv/config/fixed_keys.h"
#include "lckv/config/keys.h"

namespace lckv::config {
namespace {

std::vector<std::string> collect_paths() {
  std::vector<std::string> paths = fixed_key_paths();
  RunConfig run;
  for (const Key& key : keys_of(run)) paths.push_back(key.path);
  return paths;
}

std::vector<std::string> collect_sections() {
  std::vector<std::string> sections;
  for (const std::string& path : known_paths()) {
    const std::string section = section_of(path);
    const bool is_new = std::find(sections.begin(), sections.end(), section) == sections.end();
    if (!section.empty() && is_new) sections.push_back(section);
  }
  return sections;
}

bool contains(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string nearest_in_section(const std::string& section, const std::string& name) {
  std::vector<std::string> names;
  for (const std::string& path : known_paths()) {
    if (section_of(path) == section) names.push_back(name_of(path));
  }
  if (section.empty()) {
    names.insert(names.end(), known_sections().begin(), known_sections().end());
    names.emplace_back(kBaseKey);
  }
  const std::string nearest = nearest_word(name, names);
  return nearest.empty() || section.empty() ? nearest : section + "." + nearest;
}

}  // namespace

const std::vector<std::string>& known_paths() {
  static const std::vector<std::string> paths = collect_paths();
  return paths;
}

const std::vector<std::string>& known_sections() {
  static const std::vector<std::string> sections = collect_sections();
  return sections;
}

bool is_known_path(const std::string& path) { return contains(known_paths(), path); }

bool is_known_section(const std::string& name) { return contains(known_sections(), name); }

std::string probable_path(const std::string& path) {
  const std::string name = name_of(path);
  const std::string section = section_of(path);
  for (const std::string& known : known_paths()) {
    if (name_of(known) == name) return known;
  }
  if (section.empty() || is_known_section(section)) return nearest_in_section(section, name);
  return nearest_word(section, known_sections());
}

std::string unknown_key_message(const std::string& path) {
  const std::string probable = probable_path(path);
  return probable.empty() ? "unknown key" : format("unknown key; did you mean {}?", probable);
}

}  // namespace lckv::config
