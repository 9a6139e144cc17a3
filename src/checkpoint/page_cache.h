#pragma once

#include <filesystem>

namespace lckv::checkpoint {

/// Asks the system to forget what it holds in memory of the files directly in `folder`, so that who
/// reads them next reads the disk. For measurements: what has not been written back stays, and a
/// file system that does not listen keeps everything. Files that cannot be opened are left out.
void drop_from_page_cache(const std::filesystem::path& folder);

}  // namespace lckv::checkpoint
