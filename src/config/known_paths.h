#pragma once

#include <string>
#include <vector>

namespace lckv::config {

/// Every key of a run file, "section.name", fixed keys included.
const std::vector<std::string>& known_paths();
bool is_known_path(const std::string& path);

/// The key that names a run file's base. It belongs to the file, not to the run: no known path.
inline constexpr const char* kBaseKey = "base";

/// Every section of a run file.
const std::vector<std::string>& known_sections();
bool is_known_section(const std::string& name);

/// What an unknown `path` was probably meant to be: the key of that name in another section, else
/// the nearest key of the section, else the nearest section; "" if nothing is near.
std::string probable_path(const std::string& path);

/// "unknown key; did you mean train.steps?"
std::string unknown_key_message(const std::string& path);

}  // namespace lckv::config
