#include "lckv/doctor/gpu.h"

#include <filesystem>
#include <functional>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/library_versions.h"
#include "lckv/doctor/programs.h"
#include "lckv/kernels/library_versions.h"

namespace lckv::doctor {

namespace {

LoadedLibrary load(const std::function<std::string()>& version) {
  try {
    return {.version = version(), .why_not = ""};
  } catch (const Error& error) {
    return {.version = "", .why_not = error.what()};
  }
}

/// A display or 3D controller of NVIDIA's on the PCI bus.
bool bus_has_gpu(const ReadFile& read) {
  std::error_code error;
  std::filesystem::directory_iterator entry("/sys/bus/pci/devices", error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const std::string device = entry->path().string();
    if (read(device + "/vendor").starts_with("0x10de") &&
        read(device + "/class").starts_with("0x03")) {
      return true;
    }
  }
  return false;
}

/// "13-0": as the packages in NVIDIA's repository are called.
std::string dashed(const std::string& toolkit) {
  const std::vector<std::string> parts = split(toolkit, '.');
  return parts.size() < 2 ? toolkit : parts[0] + "-" + parts[1];
}

/// What a person reads of an error that lists every folder that was tried.
std::string first_line(const std::string& text) { return split(text, '\n')[0]; }

std::string cuda_version(int version) {
  return format("{}.{}", version / 1000, version % 1000 / 10);
}

Finding judge_device(const cuda::DeviceFacts& device, size_t index) {
  const std::string name = format("cuda:{}", index);
  const std::string value =
      format("{}, compute capability {}.{}, {} free of {}", device.name, device.major, device.minor,
             human_bytes(double(device.free_bytes)), human_bytes(double(device.memory_bytes)));
  const Numbers numbers = {{"memory_bytes", double(device.memory_bytes)},
                           {"free_bytes", double(device.free_bytes)},
                           {"multiprocessors", double(device.multiprocessors)}};
  if (double(device.free_bytes) > 0.9 * double(device.memory_bytes)) {
    return ok("GPU", name, value, numbers);
  }
  return warn("GPU", name, value + ": somebody else uses it", "see who: nvidia-smi", numbers);
}

Finding judge_none(const GpuFacts& gpu) {
  if (!gpu.machine_has_one) return ok("GPU", "device", "none: lckv trains on the CPU");
  if (gpu.toolkit.empty()) {
    return missing("GPU", "device", "there is one, but this build has no CUDA",
                   "cmake -S . -B build -DLCKV_CUDA=ON && ninja -C build");
  }
  return missing("GPU", "device", format("there is one that lckv cannot use: {}", gpu.why_none),
                 gpu.driver.empty()
                     ? format("install NVIDIA's driver for CUDA {} or newer", gpu.toolkit)
                     : format("install a driver for CUDA {} or newer (this one is {})", gpu.toolkit,
                              gpu.driver));
}

/// One without which training on the GPU does not begin, or one that it can do without.
Finding judge_library(const std::string& name, const LoadedLibrary& library, bool is_needed,
                      const std::string& otherwise, const std::string& package) {
  if (!library.version.empty()) return ok("GPU", name, library.version);
  const std::string value = format("{}: {}", otherwise, first_line(library.why_not));
  const std::string action = format(
      "{} (of NVIDIA's repository), or export LCKV_CUDA_PATH=its folder", install_command(package));
  return is_needed ? needed("GPU", name, value, action) : missing("GPU", name, value, action);
}

}  // namespace

std::string driver_version_in(const std::string& text) {
  for (const std::string& word : split(split(text, '\n')[0], ' ')) {
    const bool is_number = word.find_first_not_of("0123456789.") == std::string::npos;
    if (is_number && word.find('.') != std::string::npos) return word;
  }
  return "";
}

GpuFacts read_gpus(const ReadFile& read) {
  GpuFacts gpu;
  gpu.toolkit = ops::cuda_toolkit_version();
  gpu.driver = driver_version_in(read("/proc/driver/nvidia/version"));
  const int count = cuda::device_count();
  gpu.machine_has_one = count > 0 || !gpu.driver.empty() || bus_has_gpu(read);
  gpu.why_none = cuda::why_no_device();
  try {
    for (int device = 0; device < count; ++device) {
      gpu.devices.push_back(cuda::device_facts(device));
    }
  } catch (const CudaError& error) {
    gpu.problem = error.what();
  }
  if (count == 0) return gpu;
  gpu.cublaslt = load(ops::cublaslt_version);
  gpu.cudnn = load(ops::cudnn_version);
  gpu.nccl = load(comm::nccl_library_version);
  return gpu;
}

std::vector<Finding> judge_gpus(const GpuFacts& gpu) {
  if (!gpu.problem.empty()) {
    return {needed("GPU", "device", first_line(gpu.problem),
                   "see whether nvidia-smi shows it; set train.device=cpu to train without")};
  }
  if (gpu.devices.empty()) return {judge_none(gpu)};
  std::vector<Finding> findings;
  for (size_t i = 0; i < gpu.devices.size(); ++i) {
    findings.push_back(judge_device(gpu.devices[i], i));
  }
  const cuda::DeviceFacts& first = gpu.devices[0];
  findings.push_back(ok("GPU", "driver",
                        format("{}, for CUDA {}; lckv runs {}", gpu.driver,
                               cuda_version(first.driver), cuda_version(first.runtime))));
  findings.push_back(judge_library("cuBLASLt", gpu.cublaslt, true, "no matmul without it",
                                   "libcublas-" + dashed(gpu.toolkit)));
  findings.push_back(judge_library("cuDNN", gpu.cudnn, false, "no train.attention=cudnn without it",
                                   "libcudnn9-cuda-" + split(gpu.toolkit, '.')[0]));
  findings.push_back(judge_library("NCCL", gpu.nccl, false,
                                   "several GPUs go through the host without it", "libnccl2"));
  return findings;
}

}  // namespace lckv::doctor
