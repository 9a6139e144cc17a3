#include <set>

#include "lckv/base/text.h"
#include "lckv/config/assignment.h"
#include "lckv/config/known_paths.h"

namespace lckv::config {
namespace {

/// Walks one run file; every method looks at one level of it.
class RunFileReader {
 public:
  RunFileReader(const Place& file, Places& places, Mistakes& mistakes)
      : file_(file), places_(places), mistakes_(mistakes) {}

  RunFile read(const Node& root) {
    if (root.kind == Node::Kind::kMap) {
      for (const Entry* entry : first_of_each_name(root, "")) read_top(*entry);
    } else if (root.kind != Node::Kind::kNull) {
      mistakes_.add(at(root.mark), "", format("must hold keys and sections, is {}", shown(root)));
      for (const std::string& path : known_paths()) mistakes_.mark_unsound(path);
    }
    mark_misspelt_unsound();
    return std::move(read_);
  }

 private:
  Place at(Mark mark) const { return {file_.source, file_.name, mark}; }

  /// The map's entries but for repeated ones, which are mistakes.
  std::vector<const Entry*> first_of_each_name(const Node& map, const std::string& prefix) {
    std::vector<const Entry*> kept;
    std::map<std::string, int> line_of;
    for (const Entry& entry : map.entries) {
      const auto [first, is_new] = line_of.emplace(entry.name, entry.mark.line);
      if (is_new) {
        kept.push_back(&entry);
      } else {
        mistakes_.add(at(entry.mark), prefix + entry.name,
                      format("repeated; first given in line {}", first->second));
      }
    }
    return kept;
  }

  void read_top(const Entry& entry) {
    if (is_known_section(entry.name)) {
      places_[entry.name] = at(entry.mark);
      read_section(entry);
    } else if (entry.name == kBaseKey) {
      read_.base = assignment(entry.name, entry);
    } else {
      read_key(entry.name, entry);
    }
  }

  void read_section(const Entry& section) {
    const std::string prefix = section.name + ".";
    if (section.value.kind == Node::Kind::kMap) {
      for (const Entry* entry : first_of_each_name(section.value, prefix)) {
        read_key(prefix + entry->name, *entry);
      }
    } else if (section.value.kind != Node::Kind::kNull) {
      mistakes_.add(at(section.value.mark), section.name,
                    format("must be a section of keys, is {}", shown(section.value)));
      mark_section_unsound(section.name);
    }
  }

  Assignment assignment(const std::string& path, const Entry& entry) const {
    // A null has no text of its own to point at: its mark is where the parser noticed that nothing
    // follows.
    const bool is_null = entry.value.kind == Node::Kind::kNull;
    return {path, entry.value, at(is_null ? entry.mark : entry.value.mark)};
  }

  void read_key(const std::string& path, const Entry& entry) {
    if (is_known_path(path)) {
      read_.assignments.push_back(assignment(path, entry));
      return;
    }
    mistakes_.add(at(entry.mark), path, unknown_key_message(path));
    if (is_known_section(probable_path(path))) mark_section_unsound(probable_path(path));
    misspelt_.insert(probable_path(path));
  }

  /// No "must be given" for a key that was given under a misspelt name alone.
  void mark_misspelt_unsound() {
    for (const Assignment& given : read_.assignments) misspelt_.erase(given.path);
    for (const std::string& path : misspelt_) mistakes_.mark_unsound(path);
  }

  void mark_section_unsound(const std::string& section) {
    for (const std::string& path : known_paths()) {
      if (path.starts_with(section + ".")) mistakes_.mark_unsound(path);
    }
  }

  Place file_;
  Places& places_;
  Mistakes& mistakes_;
  RunFile read_;
  std::set<std::string> misspelt_;  // the keys that unknown ones probably mean
};

}  // namespace

RunFile read_run_file(const std::string& text, const Place& file, Places& places,
                      Mistakes& mistakes) {
  try {
    return RunFileReader(file, places, mistakes).read(parse_document(text));
  } catch (const SyntaxMistake& mistake) {
    mistakes.add({file.source, file.name, mistake.mark}, "", mistake.message);
    for (const std::string& path : known_paths()) mistakes.mark_unsound(path);
    return {};
  }
}

}  // namespace lckv::config
