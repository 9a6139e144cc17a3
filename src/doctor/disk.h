#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

/// The disk that a folder is on; of one that does not exist yet, that of the nearest one above it.
struct DiskFacts {
  std::string folder;       // whole path, as it was asked for
  std::string existing;     // the folder that was looked at: that one, or the nearest above it
  std::string problem;      // why nothing can be said or written there; "" where all is well
  std::string file_system;  // "ext4", "nfs", ...; the number in hexadecimal of one not known
  int64_t free_bytes = 0;   // for this user
  int64_t free_files = 0;   // -1: the file system does not count them
};

DiskFacts read_disk(const std::filesystem::path& folder);

/// "nfs" of statfs()'s f_type.
std::string file_system_name(int64_t type);
/// Files of other machines, seen over a network, sometimes late.
bool is_network(const std::string& file_system);

/// What writing there costs, in files that are gone afterwards, and whether a run may be there.
struct DiskRates {
  std::string problem;           // what failed: nothing else means anything then
  double write_bytes_per_s = 0;  // with fsync every few MiB
  double fsync_s = 0;            // of a small file's append, median
  double read_bytes_per_s = 0;   // past the page cache, where the file system listens
  bool locks = true;             // a folder can be held, without which lckv train does not start
};

/// Writes, syncs, reads back and compares at most 64 MiB, and not more than a tenth of what is
/// free, for about `budget_s`, in a folder that exists.
DiskRates measure_disk(const std::filesystem::path& folder, double budget_s);

/// `need_bytes` free is what is asked for; 0: room for the smallest run.
std::vector<Finding> judge_disk(const DiskFacts& disk, int64_t need_bytes);
std::vector<Finding> judge_disk_rates(const DiskRates& rates);

}  // namespace lckv::doctor
