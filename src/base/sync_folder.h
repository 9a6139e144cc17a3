#pragma once

#include <filesystem>

#include <unistd.h>

namespace lckv {

/// Makes a finished rename in `folder` ("": the working one) survive a power cut, where the file
/// system can: one without fsync of folders is no failure. Throws IoError.
///
///   sync   fsync itself, or what a module calls in its place
void sync_folder(const std::filesystem::path& folder, int (*sync)(int descriptor) = ::fsync);

}  // namespace lckv
