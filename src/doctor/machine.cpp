#include "lckv/doctor/machine.h"

#include <iterator>
#include <system_error>

#include "lckv/doctor/build.h"
#include "lckv/doctor/cpu.h"
#include "lckv/doctor/disk.h"
#include "lckv/doctor/gpu.h"
#include "lckv/doctor/libraries.h"
#include "lckv/doctor/memory.h"
#include "lckv/doctor/mpi.h"
#include "lckv/doctor/process_limits.h"
#include "lckv/doctor/rates.h"
#include "lckv/doctor/slurm.h"

namespace lckv::doctor {

namespace {

/// Of `budget_s`, what the disk gets; the rest is for the rates.
constexpr double kDiskFrac = 0.25;

std::string this_program() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

void append(std::vector<Finding>& findings, std::vector<Finding> more) {
  findings.insert(findings.end(), std::make_move_iterator(more.begin()),
                  std::make_move_iterator(more.end()));
}

void append_disk(std::vector<Finding>& findings, const MachineSettings& settings) {
  const DiskFacts disk = read_disk(settings.folder);
  append(findings, judge_disk(disk, settings.need_bytes));
  if (!settings.measures || !disk.problem.empty()) return;
  append(findings, judge_disk_rates(measure_disk(disk.existing, kDiskFrac * settings.budget_s)));
}

}  // namespace

std::vector<Finding> examine_machine(const MachineSettings& settings) {
  const CgroupLimits limits = read_cgroup_limits(read_text_file);
  std::vector<Finding> findings = judge_build();
  append(findings, judge_libraries());
  append(findings, judge_cpu(read_cpu(read_text_file, limits)));
  append(findings, judge_memory(read_memory(read_text_file, limits)));
  append(findings, judge_process_limits(read_process_limits()));
  append(findings, judge_mpi(read_mpi(settings.measures, this_program())));
  append(findings, judge_slurm(read_slurm()));
  append(findings, judge_gpus(read_gpus(read_text_file)));
  append_disk(findings, settings);
  // Last: what was measured before ran on a machine that was still idle.
  if (settings.measures) append(findings, measure_rates((1 - kDiskFrac) * settings.budget_s));
  return findings;
}

}  // namespace lckv::doctor
