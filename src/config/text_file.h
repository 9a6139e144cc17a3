#pragma once

#include <string>

namespace lckv::config {

/// The whole file. Throws IoError naming the path and the reason, also when it has more than 64
/// MiB, as a device may.
std::string read_text_file(const std::string& path);

}  // namespace lckv::config
