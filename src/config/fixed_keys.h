#pragma once

#include <string>
#include <vector>

#include "lckv/config/document.h"

namespace lckv::config {

/// Keys of section `model` that Hugging Face files hold and that have no field: one value alone is
/// what this program computes (spec/lckv.md 1.3).
std::vector<std::string> fixed_key_paths();

/// Whether `path` is one of them.
bool is_fixed_key(const std::string& path);

/// Why the value is refused, "" if it is the allowed one.
std::string fixed_key_mistake(const std::string& path, const Node& value);

}  // namespace lckv::config
