#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/doctor/cgroup.h"
#include "lckv/doctor/cpu.h"
#include "lckv/doctor/disk.h"
#include "lckv/doctor/gpu.h"
#include "lckv/doctor/memory.h"
#include "lckv/doctor/mpi.h"

// What /proc, /sys and programs say, as samples of other machines.

namespace lckv::doctor {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kGib = int64_t{1} << 30;

ReadFile files(const std::map<std::string, std::string>& texts) {
  return [=](const std::string& path) {
    const auto found = texts.find(path);
    return found == texts.end() ? "" : found->second;
  };
}

TEST(FieldOf, FindsTheLineOfAKeyAndNoOther) {
  const std::string text = "MemTotalX: 1\nMemTotal:   24684092 kB\nname\t: a: b\n";
  EXPECT_EQ(field_of(text, "MemTotal"), "24684092 kB");
  EXPECT_EQ(field_of(text, "name"), "a: b");
  EXPECT_EQ(field_of(text, "Mem"), "");
  EXPECT_EQ(field_of("", "MemTotal"), "");
}

TEST(Cgroup, Version2TakesTheNarrowestLimitOfAllGroupsAbove) {
  const CgroupLimits limits = read_cgroup_limits(
      files({{"/proc/self/cgroup", "0::/slurm/job_1/step_0\n"},
             {"/sys/fs/cgroup/slurm/job_1/step_0/memory.max", "max\n"},
             {"/sys/fs/cgroup/slurm/job_1/step_0/cpu.max", "max 100000\n"},
             {"/sys/fs/cgroup/slurm/job_1/memory.max", "8589934592\n"},
             {"/sys/fs/cgroup/slurm/job_1/memory.current", "3221225472\n"},
             {"/sys/fs/cgroup/slurm/job_1/memory.stat", "anon 5\ninactive_file 1073741824\n"},
             {"/sys/fs/cgroup/slurm/job_1/cpu.max", "150000 100000\n"},
             {"/sys/fs/cgroup/slurm/memory.max", "68719476736\n"},
             {"/sys/fs/cgroup/slurm/cpu.max", "800000 100000\n"}}));
  EXPECT_EQ(limits.memory_bytes, 8 * kGib);
  EXPECT_EQ(limits.used_bytes, 2 * kGib);
  EXPECT_EQ(limits.cores, 1.5);
}

TEST(Cgroup, Version1IsReadInTheFolderOfEachController) {
  const CgroupLimits limits = read_cgroup_limits(
      files({{"/proc/self/cgroup",
              "9:name=systemd:/\n4:memory:/docker/ab\n1:cpu,cpuacct:/docker/ab\n0::/\n"},
             {"/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes", "4294967296\n"},
             {"/sys/fs/cgroup/memory/docker/ab/memory.usage_in_bytes", "1073741824\n"},
             {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"},
             {"/sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us", "-1\n"},
             {"/sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us", "100000\n"}}));
  EXPECT_EQ(limits.memory_bytes, 4 * kGib);
  EXPECT_EQ(limits.used_bytes, kGib);
  EXPECT_EQ(limits.cores, 0);
}

TEST(Cgroup, InAContainerOnlyTheTopFolderIsThere) {
  const CgroupLimits limits =
      read_cgroup_limits(files({{"/proc/self/cgroup", "0::/kubepods/pod7/ab\n"},
                                {"/sys/fs/cgroup/memory.max", "2147483648\n"},
                                {"/sys/fs/cgroup/cpu.max", "200000 100000\n"}}));
  EXPECT_EQ(limits.memory_bytes, 2 * kGib);
  EXPECT_EQ(limits.cores, 2);
}

TEST(Cgroup, WithoutAnyThereIsNoLimit) {
  for (const char* const groups : {"", "0::/\n", "garbage", "0::relative/path\n"}) {
    const CgroupLimits limits = read_cgroup_limits(files({{"/proc/self/cgroup", groups}}));
    EXPECT_EQ(limits.memory_bytes, 0) << groups;
    EXPECT_EQ(limits.cores, 0) << groups;
  }
}

TEST(Cpu, FeaturesAreWholeWordsOfTheFlags) {
  EXPECT_THAT(features_in("model name\t: X\nflags\t\t: fpu avx2 avx512f amx_bf16 amx_tile\n"),
              ElementsAre("avx2", "avx512f", "amx_bf16"));
  EXPECT_THAT(features_in("flags\t\t: avx avx512_bf16x\n"), IsEmpty());
  EXPECT_THAT(features_in(""), IsEmpty());
}

const char* const kMeminfo =
    "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:   8388608 kB\n"
    "SwapTotal:       2097152 kB\nSwapFree:        1048576 kB\n";

TEST(Memory, AvailableIsWhatTheMachineAndTheGroupBothLeave) {
  const ReadFile read = files({{"/proc/meminfo", kMeminfo}});
  const MemoryFacts alone = read_memory(read, {});
  EXPECT_EQ(alone.total_bytes, 16 * kGib);
  EXPECT_EQ(alone.available_bytes(), 8 * kGib);
  EXPECT_EQ(alone.swapped_bytes, kGib);
  const CgroupLimits narrow = {.memory_bytes = 4 * kGib, .used_bytes = kGib, .cores = 0};
  EXPECT_EQ(read_memory(read, narrow).available_bytes(), 3 * kGib);
  const CgroupLimits wide = {.memory_bytes = 64 * kGib, .used_bytes = 63 * kGib, .cores = 0};
  EXPECT_EQ(read_memory(read, wide).available_bytes(), 8 * kGib);
}

TEST(Gpu, DriverVersionIsFoundInEitherKindOfModule) {
  EXPECT_EQ(driver_version_in("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08  Mon\n"),
            "535.161.08");
  EXPECT_EQ(
      driver_version_in("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  "
                        "Release Build\nGCC version:  gcc 12.2.0\n"),
      "580.159.04");
  EXPECT_EQ(driver_version_in(""), "");
}

TEST(Mpi, VersionIsOpenMpisAlone) {
  EXPECT_EQ(version_of_mpirun("mpirun (Open MPI) 4.1.4\n\nReport bugs to http://x\n"), "4.1.4");
  EXPECT_EQ(version_of_mpirun("orterun (Open MPI) 4.1.4\n"), "4.1.4");
  EXPECT_EQ(version_of_mpirun("HYDRA build details:\n    Version: 4.0\n"), "");
  EXPECT_EQ(version_of_mpirun(""), "");
}

TEST(Disk, FileSystemsAreNamedAndNetworksKnown) {
  EXPECT_EQ(file_system_name(0xEF53), "ext4");
  EXPECT_EQ(file_system_name(0x6969), "nfs");
  EXPECT_EQ(file_system_name(static_cast<int32_t>(0x9123683E)), "btrfs");  // f_type may be signed
  EXPECT_EQ(file_system_name(0x1234), "0x1234");
  EXPECT_TRUE(is_network("nfs"));
  EXPECT_TRUE(is_network("lustre"));
  EXPECT_FALSE(is_network("ext4"));
  EXPECT_FALSE(is_network("0x1234"));
}

}  // namespace
}  // namespace lckv::doctor
