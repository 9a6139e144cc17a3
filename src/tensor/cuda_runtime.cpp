#include "lckv/tensor/cuda_runtime.h"

#include <algorithm>

#include <cuda_runtime_api.h>

#include "lckv/base/text.h"

namespace lckv::cuda {

namespace {

cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t event_of(void* event) { return static_cast<cudaEvent_t>(event); }

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // one that is not sticky is gone with this message
  throw CudaError(
      format("{}: {} ({})", what, cudaGetErrorString(status), cudaGetErrorName(status)));
}

struct Devices {
  int count = 0;
  std::string why_none;
};

/// No devices when one of them is older than any that kernels are compiled for.
Devices with_kernels(Devices devices) {
  for (int device = 0; device < devices.count; ++device) {
    int major = 0, minor = 0;
    (void)cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
    (void)cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
    if (major >= 8) continue;
    return {0, format("cuda:{} has compute capability {}.{}, the kernels need 8.0 or later", device,
                      major, minor)};
  }
  return devices;
}

Devices look_for_devices() {
  Devices devices;
  const cudaError_t status = cudaGetDeviceCount(&devices.count);
  if (status == cudaSuccess && devices.count > 0) return with_kernels(devices);
  (void)cudaGetLastError();
  devices.count = 0;
  devices.why_none = status == cudaSuccess ? "the driver shows no GPU" : cudaGetErrorString(status);
  return devices;
}

const Devices& devices() {
  static const Devices found = look_for_devices();
  return found;
}

void use_device(int device) {
  if (device < 0 || device >= device_count()) {
    throw CudaError(format("cuda:{}: there are {} CUDA devices here{}", device, device_count(),
                           device_count() > 0 ? "" : " (" + why_no_device() + ")"));
  }
  check(cudaSetDevice(device), format("cuda:{}", device));
}

int64_t free_bytes() {
  size_t free = 0, total = 0;
  return cudaMemGetInfo(&free, &total) == cudaSuccess ? static_cast<int64_t>(free) : 0;
}

}  // namespace

int device_count() { return devices().count; }

std::string why_no_device() { return devices().why_none; }

DeviceFacts device_facts(int device) {
  use_device(device);
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, device), format("cuda:{}", device));
  DeviceFacts facts;
  facts.name = properties.name;
  facts.major = properties.major;
  facts.minor = properties.minor;
  facts.multiprocessors = properties.multiProcessorCount;
  facts.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  facts.free_bytes = free_bytes();
  check(cudaDriverGetVersion(&facts.driver), "driver version");
  check(cudaRuntimeGetVersion(&facts.runtime), "runtime version");
  return facts;
}

void* allocate(int64_t bytes, int device) {
  use_device(device);
  void* memory = nullptr;
  const auto size = static_cast<size_t>(std::max<int64_t>(bytes, 1));
  const cudaError_t status = cudaMalloc(&memory, size);
  if (status != cudaSuccess) {
    (void)cudaGetLastError();
    throw CudaError(format("cannot allocate {} on cuda:{}, of which {} are free: {}",
                           human_bytes(double(bytes)), device, human_bytes(double(free_bytes())),
                           cudaGetErrorString(status)));
  }
  check(cudaMemset(memory, 0, size), "zeroing of new memory");
  check(cudaStreamSynchronize(cudaStreamLegacy),
        "zeroing of new memory");  // ours do not wait for it
  return memory;
}

void release(void* memory) noexcept { (void)cudaFree(memory); }

void* allocate_pinned(int64_t bytes) {
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, static_cast<size_t>(std::max<int64_t>(bytes, 1)),
                      cudaHostAllocPortable),
        format("cannot pin {} of host memory", human_bytes(double(bytes))));
  return memory;
}

void release_pinned(void* memory) noexcept { (void)cudaFreeHost(memory); }

void synchronize_device(int device) {
  use_device(device);
  check(cudaDeviceSynchronize(), format("cuda:{}", device));
}

void* create_stream(int device) {
  use_device(device);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "a new stream");
  return stream;
}

void destroy_stream(void* stream) noexcept { (void)cudaStreamDestroy(stream_of(stream)); }

void synchronize(void* stream) { check(cudaStreamSynchronize(stream_of(stream)), "synchronize"); }

void* create_event(int device) {
  use_device(device);
  cudaEvent_t event = nullptr;
  check(cudaEventCreate(&event), "a new event");
  return event;
}

void destroy_event(void* event) noexcept { (void)cudaEventDestroy(event_of(event)); }

void record(void* event, void* stream) {
  check(cudaEventRecord(event_of(event), stream_of(stream)), "recording an event");
}

void wait(void* stream, void* event) {
  check(cudaStreamWaitEvent(stream_of(stream), event_of(event), 0), "waiting for an event");
}

void synchronize_event(void* event) {
  check(cudaEventSynchronize(event_of(event)), "waiting for an event");
}

double elapsed_ms(void* begin, void* end) {
  float ms = 0;
  check(cudaEventElapsedTime(&ms, event_of(begin), event_of(end)), "time between events");
  return static_cast<double>(ms);
}

void copy(void* stream, void* to, const void* from, int64_t bytes) {
  check(cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, stream_of(stream)),
        format("copy of {} bytes", bytes));
}

void fill(void* stream, void* to, int byte, int64_t bytes) {
  check(cudaMemsetAsync(to, byte, static_cast<size_t>(bytes), stream_of(stream)),
        format("filling {} bytes", bytes));
}

void begin_capture(void* stream) {
  check(cudaStreamBeginCapture(stream_of(stream), cudaStreamCaptureModeThreadLocal),
        "start of a capture");
}

void* end_capture(void* stream) {
  cudaGraph_t recorded = nullptr;
  check(cudaStreamEndCapture(stream_of(stream), &recorded), "end of a capture");
  cudaGraphExec_t graph = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&graph, recorded, 0);
  (void)cudaGraphDestroy(recorded);
  check(status, "a new graph");
  return graph;
}

void launch_graph(void* graph, void* stream) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), stream_of(stream)), "graph launch");
}

void destroy_graph(void* graph) noexcept {
  (void)cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

}  // namespace lckv::cuda
