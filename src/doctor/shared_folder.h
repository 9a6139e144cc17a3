#pragma once

#include <filesystem>
#include <string>

#include "lckv/comm/world.h"
#include "lckv/doctor/rank_facts.h"

namespace lckv::doctor {

/// Whether a file is there and holds this text.
bool file_holds(const std::filesystem::path& path, const std::string& text);

/// How ranks look at the folder that they are to share; in tests something else.
struct FolderInstruments {
  bool (*holds)(const std::filesystem::path& path, const std::string& text) = file_holds;
  DiskFacts (*facts)(const std::filesystem::path& folder) = read_disk;
  DiskRates (*rates)(const std::filesystem::path& folder, double budget_s) = measure_disk;
  double patience_s = 5;  // until a file of another node must be seen: NFS shows it late
};

/// Collective: rank 0 makes a folder in `folder` (with those above it where there are none) and
/// writes a file there; every rank looks for it, then the first rank of each machine writes, syncs
/// and reads files of its own there, all at the same time. In the end everything is gone. The same
/// on all ranks of a machine, but for sees_rank_0: ranks in containers may see different folders.
///
/// What fails on a node is in its result. Throws DataError on all ranks when `folder` is no folder.
NodeDisk examine_shared_folder(comm::World& world, comm::Communicator& machine,
                               const std::filesystem::path& folder, double budget_s,
                               const FolderInstruments& instruments = {});

}  // namespace lckv::doctor
