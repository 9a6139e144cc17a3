#pragma once

#include <fstream>
#include <regex>
#include <string>
#include <vector>

namespace lckv::test {

/// What METRICS.md documents: the names in backticks of the first cell of each row of its tables. A
/// part <...> of a name stands for any text without a slash.
class DocumentedNames {
 public:
  explicit DocumentedNames(const std::string& path) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("| `")) add(line.substr(1, line.find(" |", 1)));
    }
  }

  size_t size() const { return patterns_.size(); }
  bool has(const std::string& name) const {
    for (const std::regex& pattern : patterns_) {
      if (std::regex_match(name, pattern)) return true;
    }
    return false;
  }

 private:
  void add(const std::string& cell) {
    const std::regex quoted("`([^`]+)`"), placeholder("<[^>]+>");
    for (std::sregex_iterator at(cell.begin(), cell.end(), quoted), end; at != end; ++at) {
      patterns_.emplace_back(std::regex_replace((*at)[1].str(), placeholder, "[^/]+"));
    }
  }

  std::vector<std::regex> patterns_;
};

}  // namespace lckv::test
