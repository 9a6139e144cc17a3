#pragma once

#include <cstdint>
#include <string>

#include "lckv/base/error.h"

/// The CUDA runtime as the tensor module uses it. A build without CUDA, or a machine without a
/// driver or a GPU, has device_count() 0, and why_no_device() says why; everything else throws
/// CudaError then.
namespace lckv::cuda {

struct DeviceFacts {
  std::string name;          // "NVIDIA H200"
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  int64_t memory_bytes = 0;
  int64_t free_bytes = 0;       // now
  int driver = 0, runtime = 0;  // 13000: 13.0
};

int device_count();
/// "" when there is a device; else "built without CUDA", "no NVIDIA driver ...", ...
std::string why_no_device();
DeviceFacts device_facts(int device);

/// Zero-filled memory of a device. Throws CudaError naming bytes wanted and free.
void* allocate(int64_t bytes, int device);
void release(void* memory) noexcept;
/// Host memory that the device copies from and to while the host goes on.
void* allocate_pinned(int64_t bytes);
void release_pinned(void* memory) noexcept;

/// Returns when everything queued on any of the device's streams has run.
void synchronize_device(int device);

// Streams, events and graphs are the runtime's own handles; they belong to the device that was
// current for the calling thread at their creation, and creating one makes `device` current.
void* create_stream(int device);
void destroy_stream(void* stream) noexcept;
void synchronize(void* stream);

void* create_event(int device);
void destroy_event(void* event) noexcept;
void record(void* event, void* stream);
/// Work queued on `stream` from now on waits for the event.
void wait(void* stream, void* event);
void synchronize_event(void* event);
double elapsed_ms(void* begin, void* end);

/// Bytes between any two of host and devices, in the order of the stream. Returns at once when
/// host memory is pinned or no host memory takes part.
void copy(void* stream, void* to, const void* from, int64_t bytes);
void fill(void* stream, void* to, int byte, int64_t bytes);

/// Between the two calls, what is queued on `stream` is recorded instead of run.
void begin_capture(void* stream);
/// The recorded work as an executable graph.
void* end_capture(void* stream);
void launch_graph(void* graph, void* stream);
void destroy_graph(void* graph) noexcept;

}  // namespace lckv::cuda
