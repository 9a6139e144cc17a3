#pragma once

#include <set>
#include <string>
#include <vector>

#include "lckv/config/document.h"

namespace lckv::config {

/// Where a value was written.
struct Place {
  int source = 0;    // files and overrides in the order in which their mistakes are listed
  std::string name;  // the file's path, or "--set train.steps=x"
  Mark mark;         // unknown for overrides

  std::string text() const;  // "run.yaml:3:5"
};

/// The mistakes found so far, and the keys whose value therefore means nothing.
class Mistakes {
 public:
  /// A mistake about the key `path`, "" if about none. The key counts as unsound from now on.
  void add(const Place& place, const std::string& path, const std::string& message);

  /// Rules that depend on the key are not checked: its mistake, or its file's, is already listed.
  void mark_unsound(const std::string& path) { unsound_.insert(path); }
  const std::set<std::string>& unsound() const { return unsound_; }

  /// Throws ConfigError with all mistakes, one per line, in the order of their places; returns if
  /// there are none.
  void throw_if_any() const;

 private:
  struct Mistake {
    Place place;
    std::string text;
  };
  std::vector<Mistake> mistakes_;
  std::set<std::string> unsound_;
};

}  // namespace lckv::config
