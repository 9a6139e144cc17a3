#include "lckv/doctor/cpu.h"

#include <algorithm>
#include <cmath>

#include <unistd.h>

#include "lckv/base/process.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/kernels/table.h"

namespace lckv::doctor {

namespace {

/// "0-1" and "0,16" are two, "3" is one.
int cores_in_list(const std::string& text) {
  int count = 0;
  for (const std::string& part : split(text, ',')) {
    const std::vector<std::string> ends = split(part, '-');
    count += ends.size() == 2 ? std::atoi(ends[1].c_str()) - std::atoi(ends[0].c_str()) + 1 : 1;
  }
  return std::max(1, count);
}

bool has(const CpuFacts& cpu, const std::string& feature) {
  return std::find(cpu.features.begin(), cpu.features.end(), feature) != cpu.features.end();
}

Finding judge_cores(const CpuFacts& cpu) {
  std::string value = format("{} of {}", cpu.usable, cpu.online);
  if (cpu.threads_per_core > 1) value += format(", {} threads a core", cpu.threads_per_core);
  value += format("; lckv takes {} thread{}", cpu.usable, cpu.usable == 1 ? "" : "s");
  const Numbers numbers = {{"usable_cores", cpu.usable}, {"online_cores", cpu.online}};
  if (cpu.quota_cores == 0 || cpu.quota_cores >= cpu.usable) {
    return ok("cpu", "cores", value, numbers);
  }
  const int threads = std::max(1, static_cast<int>(std::floor(cpu.quota_cores)));
  return warn(
      "cpu", "cores",
      format("{}, but CPU time of {:.2g} only (control group)", value, cpu.quota_cores),
      format("give the container or job {} CPUs, or set train.threads={}", cpu.usable, threads),
      numbers);
}

Finding judge_features(const CpuFacts& cpu) {
  std::string value;
  for (const std::string& feature : cpu.features) value += (value.empty() ? "" : " ") + feature;
  return ok("cpu", "features", value.empty() ? "none of AVX2, AVX-512, AMX" : value);
}

Finding judge_kernels(const CpuFacts& cpu) {
  if (cpu.kernels != "cpu baseline") return ok("cpu", "kernels", cpu.kernels);
  return warn("cpu", "kernels", cpu.kernels + ": no AVX2 here, several times slower",
              "take a machine with AVX2; in a virtual machine pass the host's CPU through");
}

Finding judge_bf16(const CpuFacts& cpu) {
  if (cpu.multiplies_bf16) return ok("cpu", "precision", "auto is bf16: AMX multiplies it");
  if (!has(cpu, "amx_bf16")) return ok("cpu", "precision", "auto is fp32: no AMX here");
  return warn("cpu", "precision", "auto is fp32: the CPU has AMX, but oneDNN does not use it",
              "unset ONEDNN_MAX_CPU_ISA and DNNL_MAX_CPU_ISA, or install a newer oneDNN");
}

}  // namespace

std::vector<std::string> features_in(const std::string& cpuinfo) {
  const std::vector<std::string> flags = split(field_of(cpuinfo, "flags"), ' ');
  std::vector<std::string> found;
  for (const char* const feature : kFeatures) {
    if (std::find(flags.begin(), flags.end(), feature) != flags.end()) found.emplace_back(feature);
  }
  return found;
}

CpuFacts read_cpu(const ReadFile& read, const CgroupLimits& limits) {
  const std::string cpuinfo = read("/proc/cpuinfo");
  CpuFacts cpu;
  cpu.model = field_of(cpuinfo, "model name");
  cpu.usable = usable_cores();
  cpu.online = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
  cpu.threads_per_core =
      cores_in_list(read("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list"));
  cpu.quota_cores = limits.cores;
  cpu.features = features_in(cpuinfo);
  cpu.kernels = ops::cpu_kernels().name;
  cpu.multiplies_bf16 = ops::cpu_has_fast_bf16();
  return cpu;
}

std::vector<Finding> judge_cpu(const CpuFacts& cpu) {
  std::vector<Finding> findings;
  if (!cpu.model.empty()) findings.push_back(ok("cpu", "model", cpu.model));
  findings.push_back(judge_cores(cpu));
  findings.push_back(judge_features(cpu));
  findings.push_back(judge_kernels(cpu));
  findings.push_back(judge_bf16(cpu));
  return findings;
}

}  // namespace lckv::doctor
