#include "lckv/tensor/cuda_runtime.h"

namespace lckv::cuda {

namespace {

[[noreturn]] void refuse() {
  throw CudaError(
      "built without CUDA: device cuda is not available in this binary; configure with "
      "-DLCKV_CUDA=ON where the CUDA toolkit is, or run with device cpu");
}

}  // namespace

int device_count() { return 0; }
std::string why_no_device() { return "built without CUDA"; }
DeviceFacts device_facts(int) { refuse(); }
void* allocate(int64_t, int) { refuse(); }
void release(void*) noexcept {}
void* allocate_pinned(int64_t) { refuse(); }
void release_pinned(void*) noexcept {}
void synchronize_device(int) { refuse(); }
void* create_stream(int) { refuse(); }
void destroy_stream(void*) noexcept {}
void synchronize(void*) { refuse(); }
void* create_event(int) { refuse(); }
void destroy_event(void*) noexcept {}
void record(void*, void*) { refuse(); }
void wait(void*, void*) { refuse(); }
void synchronize_event(void*) { refuse(); }
double elapsed_ms(void*, void*) { refuse(); }
void copy(void*, void*, const void*, int64_t) { refuse(); }
void fill(void*, void*, int, int64_t) { refuse(); }
void begin_capture(void*) { refuse(); }
void* end_capture(void*) { refuse(); }
void launch_graph(void*, void*) { refuse(); }
void destroy_graph(void*) noexcept {}

}  // namespace lckv::cuda
