#include <algorithm>
#include <map>

#include "lckv/base/text.h"
#include "lckv/report/run_files.h"

namespace lckv::report {

namespace {

namespace fs = std::filesystem;

/// The path's parts, the folder's name first.
std::vector<std::string> parts_from_the_end(const std::string& folder) {
  std::vector<std::string> parts;
  for (const fs::path& part : fs::absolute(folder).lexically_normal()) {
    if (!part.empty()) parts.insert(parts.begin(), part.string());
  }
  if (parts.empty()) parts.push_back(folder);
  return parts;
}

/// The last `depth` parts.
std::string joined(const std::vector<std::string>& parts, size_t depth) {
  fs::path path;
  for (size_t i = std::min(depth, parts.size()); i-- > 0;) path /= parts[i];
  return path.string();
}

/// What is shown of them: of three or more the first and the last.
std::string shown(const std::vector<std::string>& parts, size_t depth) {
  return depth < 3 ? joined(parts, depth) : parts[depth - 1] + "/\u2026/" + parts[0];
}

}  // namespace

std::vector<std::string> run_labels(const std::vector<std::string>& folders) {
  std::vector<std::vector<std::string>> parts;
  parts.reserve(folders.size());
  for (const std::string& folder : folders) parts.push_back(parts_from_the_end(folder));
  std::vector<std::string> labels;
  std::map<std::string, int> seen;
  for (const auto& own : parts) {
    size_t depth = 1;
    const auto is_shared = [&](const std::vector<std::string>& other) {
      return other != own && joined(other, depth) == joined(own, depth);
    };
    while (std::any_of(parts.begin(), parts.end(), is_shared)) ++depth;
    std::string label = shown(own, depth);
    if (const int times = ++seen[label]; times > 1) label += format(" ({})", times);
    labels.push_back(std::move(label));
  }
  return labels;
}

}  // namespace lckv::report
