#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/doctor/cpu.h"
#include "lckv/doctor/disk.h"
#include "lckv/doctor/gpu.h"
#include "lckv/doctor/memory.h"
#include "lckv/doctor/mpi.h"
#include "lckv/doctor/process_limits.h"
#include "lckv/doctor/slurm.h"

// What is said of facts made by hand: first of a machine as it should be, then each fault in turn.

namespace lckv::doctor {
namespace {

using testing::HasSubstr;

constexpr int64_t kGib = int64_t{1} << 30;

/// The findings that are not ok, which each must have something to do.
std::vector<Finding> complaints(const std::vector<Finding>& findings) {
  std::vector<Finding> found;
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.action.empty(), finding.level == Level::kOk) << finding.name;
    EXPECT_EQ(finding.value.find('\n'), std::string::npos) << finding.value;
    if (finding.level != Level::kOk) found.push_back(finding);
  }
  return found;
}

void expect_one(const std::vector<Finding>& findings, Level level, bool is_needed,
                const std::string& value, const std::string& action) {
  const std::vector<Finding> found = complaints(findings);
  ASSERT_EQ(found.size(), 1U) << value;
  EXPECT_EQ(found[0].level, level);
  EXPECT_EQ(found[0].needed, is_needed);
  EXPECT_THAT(found[0].value, HasSubstr(value));
  EXPECT_THAT(found[0].action, HasSubstr(action));
}

CpuFacts good_cpu() {
  CpuFacts cpu;
  cpu.model = "X";
  cpu.usable = cpu.online = 8;
  cpu.features = {"avx2", "avx512f", "amx_bf16"};
  cpu.kernels = "cpu avx512";
  cpu.multiplies_bf16 = true;
  return cpu;
}

TEST(JudgeCpu, ComplainsOfQuotaBaselineAndUnusedAmx) {
  EXPECT_TRUE(complaints(judge_cpu(good_cpu())).empty());
  CpuFacts quota = good_cpu();
  quota.quota_cores = 2.5;
  expect_one(judge_cpu(quota), Level::kWarn, false, "CPU time of 2.5", "train.threads=2");
  quota.quota_cores = 8;
  EXPECT_TRUE(complaints(judge_cpu(quota)).empty());
  CpuFacts baseline = good_cpu();
  baseline.kernels = "cpu baseline";
  expect_one(judge_cpu(baseline), Level::kWarn, false, "no AVX2", "AVX2");
  CpuFacts amx = good_cpu();
  amx.multiplies_bf16 = false;
  expect_one(judge_cpu(amx), Level::kWarn, false, "has AMX", "oneDNN");
  amx.features = {"avx2"};
  EXPECT_TRUE(complaints(judge_cpu(amx)).empty());
}

TEST(JudgeMemory, TooLittleIsAFaultLittleAWarningAndALimitIsNamed) {
  MemoryFacts memory;
  memory.total_bytes = 16 * kGib;
  memory.free_bytes = 8 * kGib;
  EXPECT_TRUE(complaints(judge_memory(memory)).empty());
  memory.swapped_bytes = 2 * kGib;
  expect_one(judge_memory(memory), Level::kWarn, false, "2.00 GiB swapped", "end other programs");
  memory.limit_bytes = 4 * kGib;
  memory.left_bytes = kGib;
  expect_one(judge_memory(memory), Level::kWarn, false, "limit 4.00 GiB", "--mem");
  memory.left_bytes = kGib / 8;
  expect_one(judge_memory(memory), Level::kMissing, true, "128.0 MiB available", "--mem");
}

TEST(JudgeProcessLimits, NamesEachLimitAndTheCommandThatRaisesIt) {
  const ProcessLimits good = {.open_files = 1024,
                              .processes = 4096,
                              .file_bytes = kUnlimited,
                              .address_space_bytes = kUnlimited,
                              .locked_bytes = 65536,
                              .has_infiniband = false,
                              .usable_cores = 8};
  EXPECT_TRUE(complaints(judge_process_limits(good)).empty());
  const auto expect = [&](int64_t ProcessLimits::*limit, int64_t value, const char* action) {
    ProcessLimits bad = good;
    bad.*limit = value;
    expect_one(judge_process_limits(bad), Level::kWarn, false, "", action);
  };
  expect(&ProcessLimits::open_files, 64, "ulimit -n 4096");
  expect(&ProcessLimits::processes, 100, "ulimit -u 128");
  expect(&ProcessLimits::file_bytes, kGib, "ulimit -f unlimited");
  expect(&ProcessLimits::address_space_bytes, kGib, "ulimit -v unlimited");
  ProcessLimits bus = good;
  bus.has_infiniband = true;
  expect_one(judge_process_limits(bus), Level::kWarn, false, "64.0 KiB", "ulimit -l unlimited");
}

MpiFacts good_mpi() {
  MpiFacts mpi;
  mpi.library = "Open MPI v4.1.4";
  mpi.mpirun = "/usr/bin/mpirun";
  mpi.mpirun_version = "4.1.4";
  mpi.trial = "ok";
  return mpi;
}

TEST(JudgeMpi, ComplainsOfALauncherThatIsMissingForeignOrFails) {
  EXPECT_TRUE(complaints(judge_mpi(good_mpi())).empty());
  MpiFacts mpi = good_mpi();
  mpi.mpirun = "";
  expect_one(judge_mpi(mpi), Level::kMissing, false, "one rank only", "openmpi-bin");
  mpi = good_mpi();
  mpi.mpirun_version = "5.0.1";
  expect_one(judge_mpi(mpi), Level::kWarn, false, "5.0.1 does not belong to Open MPI v4.1.4",
             "PATH");
  mpi.mpirun_version = "";
  expect_one(judge_mpi(mpi), Level::kWarn, false, "not Open MPI", "PATH");
  mpi = good_mpi();
  mpi.is_root = true;
  expect_one(judge_mpi(mpi), Level::kWarn, false, "root", "export OMPI_ALLOW_RUN_AS_ROOT=1");
  mpi.allows_root = true;
  EXPECT_TRUE(complaints(judge_mpi(mpi)).empty());
  mpi.trial = "exit 1: no slots";
  expect_one(judge_mpi(mpi), Level::kWarn, false, "no slots", "mpirun -n 2");
}

TEST(JudgeSlurm, NeedsThePmixPluginWhereThereIsSlurm) {
  EXPECT_TRUE(complaints(judge_slurm({})).empty());
  const auto slurm = [](int exit_code, const std::string& list) {
    return judge_slurm({.srun = "/usr/bin/srun", .exit_code = exit_code, .mpi_list = list});
  };
  EXPECT_TRUE(complaints(slurm(0, "MPI plugin types are...\n\tnone\n\tpmi2\n\tpmix\n")).empty());
  EXPECT_TRUE(complaints(slurm(0, "srun: cray_shasta,pmix_v4\n")).empty());
  expect_one(slurm(0, "MPI plugin types are...\n\tnone\n\tpmi2\n"), Level::kMissing, false,
             "no PMIx plugin", "mpirun");
  expect_one(slurm(1, "srun: error: a\nsrun: fatal: no configuration\n"), Level::kWarn, false,
             "fatal: no configuration", "mpirun");
}

GpuFacts good_gpu() {
  cuda::DeviceFacts device;
  device.name = "NVIDIA H200";
  device.major = 9;
  device.memory_bytes = 140 * kGib;
  device.free_bytes = 139 * kGib;
  device.driver = device.runtime = 13000;
  GpuFacts gpu;
  gpu.toolkit = "13.0";
  gpu.machine_has_one = true;
  gpu.driver = "580.1";
  gpu.devices = {device, device};
  gpu.cublaslt = gpu.cudnn = gpu.nccl = {.version = "1.2.3", .why_not = ""};
  return gpu;
}

TEST(JudgeGpus, OnlyCublasltIsNeededOnceThereIsAGpu) {
  EXPECT_TRUE(complaints(judge_gpus(good_gpu())).empty());
  const LoadedLibrary absent = {.version = "", .why_not = "cannot load it:\n  tried a\n  tried b"};
  GpuFacts gpu = good_gpu();
  gpu.cublaslt = absent;
  expect_one(judge_gpus(gpu), Level::kMissing, true, "cannot load it", "libcublas-13-0");
  gpu = good_gpu();
  gpu.cudnn = absent;
  expect_one(judge_gpus(gpu), Level::kMissing, false, "cudnn", "libcudnn9-cuda-13");
  gpu = good_gpu();
  gpu.nccl = absent;
  expect_one(judge_gpus(gpu), Level::kMissing, false, "through the host", "libnccl2");
  gpu = good_gpu();
  gpu.devices[1].free_bytes = 70 * kGib;
  expect_one(judge_gpus(gpu), Level::kWarn, false, "somebody else", "nvidia-smi");
}

TEST(JudgeGpus, AGpuThatCannotBeUsedIsMissingNoneIsNot) {
  EXPECT_TRUE(complaints(judge_gpus({})).empty());
  GpuFacts gpu = good_gpu();
  gpu.devices.clear();
  gpu.why_none = "too old a driver";
  expect_one(judge_gpus(gpu), Level::kMissing, false, "too old a driver", "CUDA 13.0");
  gpu.driver = "";
  expect_one(judge_gpus(gpu), Level::kMissing, false, "too old a driver",
             "install NVIDIA's driver");
  gpu.problem = "ECC error";
  expect_one(judge_gpus(gpu), Level::kMissing, true, "ECC error", "nvidia-smi");
  gpu.problem = "";
  gpu.toolkit = "";
  expect_one(judge_gpus(gpu), Level::kMissing, false, "no CUDA", "-DLCKV_CUDA=ON");
}

TEST(JudgeDisk, ComplainsOfRoomKindAndWhatFails) {
  DiskFacts disk;
  disk.folder = "/data";
  disk.file_system = "xfs";
  disk.free_bytes = 10 * kGib;
  disk.free_files = 1'000'000;
  EXPECT_TRUE(complaints(judge_disk(disk, 0)).empty());
  EXPECT_TRUE(complaints(judge_disk(disk, 10 * kGib)).empty());
  expect_one(judge_disk(disk, 11 * kGib), Level::kMissing, true, "11.0 GiB needed", "make room");
  disk.file_system = "nfs";
  expect_one(judge_disk(disk, 0), Level::kWarn, false, "nfs", "output:");
  disk.file_system = "tmpfs";
  expect_one(judge_disk(disk, 0), Level::kWarn, false, "tmpfs", "output:");
  disk.file_system = "lustre";
  disk.free_files = 3;
  expect_one(judge_disk(disk, 0), Level::kWarn, false, "3 more files", "remove");
  disk.free_files = -1;  // the file system does not count them
  EXPECT_TRUE(complaints(judge_disk(disk, 0)).empty());
  disk.free_bytes = kGib / 2;
  expect_one(judge_disk(disk, 0), Level::kWarn, false, "512.0 MiB free", "make room");
  disk.free_bytes = 0;
  expect_one(judge_disk(disk, 0), Level::kMissing, true, "0 B free", "make room");
  disk.problem = "/data: cannot be written";
  expect_one(judge_disk(disk, 0), Level::kMissing, true, "cannot be written", "--output");
}

TEST(JudgeDiskRates, ComplainsOfAFailureAndOfLocks) {
  DiskRates rates;
  rates.write_bytes_per_s = rates.read_bytes_per_s = 1e9;
  EXPECT_TRUE(complaints(judge_disk_rates(rates)).empty());
  rates.locks = false;
  expect_one(judge_disk_rates(rates), Level::kMissing, true, "lckv train refuses", "flock");
  rates.problem = "/data: cannot fsync";
  expect_one(judge_disk_rates(rates), Level::kMissing, true, "cannot fsync", "--output");
}

}  // namespace
}  // namespace lckv::doctor
