#pragma once

#include <string>

namespace lckv::config {

/// The whole file. Throws IoError naming the path and the reason.
std::string read_text_file(const std::string& path);

}  // namespace lckv::config
