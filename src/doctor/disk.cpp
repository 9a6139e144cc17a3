#include "lckv/doctor/disk.h"

#include <cerrno>
#include <cstring>

#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lckv/base/text.h"

namespace lckv::doctor {

namespace fs = std::filesystem;

namespace {

struct KnownFileSystem {
  int64_t type;
  const char* name;
  bool is_network;
};

// f_type of statfs(2), and of file systems that say so in their own documents.
constexpr KnownFileSystem kKnown[] = {
    {0xEF53, "ext4", false},        {0x58465342, "xfs", false},   {0x9123683E, "btrfs", false},
    {0x2FC12FC1, "zfs", false},     {0xF2F52010, "f2fs", false},  {0x01021994, "tmpfs", false},
    {0x794C7630, "overlay", false}, {0x6969, "nfs", true},        {0xFF534D42, "cifs", true},
    {0xFE534D42, "smb", true},      {0x0BD00BD0, "lustre", true}, {0x47504653, "gpfs", true},
    {0x00C36400, "ceph", true},     {0x19830326, "beegfs", true}, {0x01021997, "9p", true},
    {0x65735546, "fuse", true},     {0xAAD7AAEA, "panfs", true},  {0x5346414F, "afs", true},
};

fs::path nearest_existing(fs::path folder) {
  std::error_code error;
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return folder;
}

Finding judge_file_system(const DiskFacts& disk) {
  if (disk.file_system == "tmpfs") {
    return warn("disk", "file system", "tmpfs: memory, gone when the machine restarts",
                "set output: in the run file to a folder on a disk");
  }
  if (disk.file_system == "nfs") {
    return warn("disk", "file system", "nfs: saves are slow, other nodes see files late",
                "set output: to a local or a parallel file system where all ranks share one");
  }
  return ok("disk", "file system",
            is_network(disk.file_system) ? disk.file_system + " (network)" : disk.file_system);
}

}  // namespace

std::string file_system_name(int64_t type) {
  for (const KnownFileSystem& known : kKnown) {
    if (known.type == (type & 0xFFFFFFFF)) return known.name;
  }
  return format("{:#x}", type & 0xFFFFFFFF);
}

bool is_network(const std::string& file_system) {
  for (const KnownFileSystem& known : kKnown) {
    if (known.name == file_system) return known.is_network;
  }
  return false;
}

DiskFacts read_disk(const fs::path& folder) {
  DiskFacts disk;
  fs::path wanted = fs::absolute(folder).lexically_normal();
  if (!wanted.has_filename() && wanted.has_relative_path()) wanted = wanted.parent_path();  // "a/"
  disk.folder = wanted.string();
  const fs::path there = nearest_existing(wanted);
  disk.existing = there.string();
  struct statvfs space {};
  struct statfs kind {};
  if (statvfs(there.c_str(), &space) != 0 || statfs(there.c_str(), &kind) != 0) {
    disk.problem = format("{}: {}", there.string(), std::strerror(errno));
    return disk;
  }
  disk.free_bytes = static_cast<int64_t>(space.f_bavail) * static_cast<int64_t>(space.f_frsize);
  disk.free_files = space.f_files == 0 ? -1 : static_cast<int64_t>(space.f_favail);
  disk.file_system = file_system_name(kind.f_type);
  std::error_code error;
  if (!fs::is_directory(there, error)) {
    disk.problem = format("{}: is not a folder", there.string());
  } else if (access(there.c_str(), W_OK | X_OK) != 0) {
    disk.problem = format("{}: cannot be written: {}", there.string(), std::strerror(errno));
  }
  return disk;
}

std::vector<Finding> judge_disk(const DiskFacts& disk, int64_t need_bytes) {
  constexpr int64_t kLeast = int64_t{64} << 20, kComfortable = int64_t{1} << 30;
  if (!disk.problem.empty()) {
    return {needed("disk", "folder", disk.problem, "name another: --output FOLDER")};
  }
  const Numbers numbers = {{"free_bytes", double(disk.free_bytes)}};
  const std::string value =
      format("{} free at {}", human_bytes(double(disk.free_bytes)), disk.folder);
  std::vector<Finding> findings;
  if (disk.free_bytes < (need_bytes > 0 ? need_bytes : kLeast)) {
    findings.push_back(needed(
        "disk", "free",
        need_bytes > 0 ? format("{}, {} needed", value, human_bytes(double(need_bytes))) : value,
        "make room, or name a folder on another disk: --output FOLDER"));
  } else if (need_bytes == 0 && disk.free_bytes < kComfortable) {
    findings.push_back(warn("disk", "free", value, "make room: lckv checkpoint prune", numbers));
  } else {
    findings.push_back(ok("disk", "free", value, numbers));
  }
  findings.push_back(judge_file_system(disk));
  if (disk.free_files >= 0 && disk.free_files < 1000) {
    findings.push_back(warn("disk", "files", format("room for {} more files", disk.free_files),
                            "remove files that nobody needs"));
  }
  return findings;
}

}  // namespace lckv::doctor
