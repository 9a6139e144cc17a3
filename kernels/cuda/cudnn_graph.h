#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <cudnn_backend.h>

namespace lckv::ops::cuda {

/// A descriptor of cuDNN's backend interface: attributes are set, then it is finalized.
class CudnnDescriptor {
 public:
  explicit CudnnDescriptor(cudnnBackendDescriptorType_t type);
  ~CudnnDescriptor();
  CudnnDescriptor(CudnnDescriptor&& other) noexcept : native_(std::exchange(other.native_, {})) {}
  CudnnDescriptor& operator=(CudnnDescriptor&&) = delete;
  CudnnDescriptor(const CudnnDescriptor&) = delete;
  CudnnDescriptor& operator=(const CudnnDescriptor&) = delete;

  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
           const void* values);
  void set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value);
  void set(cudnnBackendAttributeName_t name, bool value);
  void set(cudnnBackendAttributeName_t name, int64_t value);
  void set(cudnnBackendAttributeName_t name, cudnnDataType_t value);

  void finalize(const char* what);
  /// What finalizing says instead of throwing.
  cudnnStatus_t try_finalize();

  int64_t get_int64(cudnnBackendAttributeName_t name) const;
  cudnnBackendDescriptor_t native() const { return native_; }

 private:
  cudnnBackendDescriptor_t native_ = nullptr;
};

/// Dimensions of a tensor of rank 4 and how many elements lie between neighbours along each.
struct CudnnLayout {
  using Axes = std::array<int64_t, 4>;
  Axes dims, strides;

  /// Last axis fastest, without gaps.
  static CudnnLayout packed(const Axes& dims);
  /// The last two axes change places.
  CudnnLayout transposed() const;
};

/// How cuDNN would run a graph.
struct CudnnEngine {
  CudnnDescriptor configuration;
  int64_t index;  // cuDNN's number of the engine
  int64_t workspace_bytes;
};

/// A computation: tensors and the operations between them, in the order of execution. Tensors
/// belong to the graph.
class CudnnGraph {
 public:
  using Tensor = const CudnnDescriptor*;
  /// A number that is passed with each execution.
  struct Number {
    int64_t id;
    float value;
  };

  /// Memory that an execution names by `id`.
  Tensor memory(int64_t id, cudnnDataType_t type, const CudnnLayout& layout);
  /// A value that lives inside of the graph.
  Tensor between(const CudnnLayout& layout, cudnnDataType_t type = CUDNN_DATA_FLOAT);
  Tensor number(float value);

  void matmul(Tensor a, Tensor b, Tensor c);
  /// y = f(x) or f(x, b).
  void pointwise(cudnnPointwiseMode_t f, Tensor x, Tensor b, Tensor y);
  void compare(cudnnPointwiseMode_t f, Tensor x, Tensor b, Tensor y);
  /// y = x where `condition` holds, otherwise b.
  void select(Tensor x, Tensor b, Tensor condition, Tensor y);
  /// y = the index along an axis, in the shape of x.
  void index(int64_t axis, Tensor x, Tensor y);
  /// Over the axes along which y has fewer elements than x.
  void reduce(cudnnReduceTensorOp_t op, Tensor x, Tensor y);
  void reshape(Tensor x, Tensor y);

  const std::deque<Number>& numbers() const { return numbers_; }

  /// No more operations from here on. handle: null to plan for `device_properties` instead.
  void close(cudnnHandle_t handle);
  /// What cuDNN proposes for the graph, best guess first. Without a handle for the device that the
  /// JSON text describes.
  std::vector<CudnnEngine> engines(const std::string& device_properties = "") const;

 private:
  struct Pointwise {
    cudnnPointwiseMode_t mode;
    cudnnDataType_t precision = CUDNN_DATA_FLOAT;
    Tensor x = nullptr, b = nullptr, condition = nullptr, y = nullptr;
    int64_t axis = -1;
  };

  Tensor add_tensor(int64_t id, cudnnDataType_t type, const CudnnLayout& layout,
                    cudnnBackendAttributeName_t property);
  void add_pointwise(const Pointwise& operation);
  CudnnDescriptor& add_operation(cudnnBackendDescriptorType_t type);

  // Descriptors point to each other.
  std::deque<CudnnDescriptor> tensors_, parameters_, operations_;
  std::deque<CudnnDescriptor> graph_;  // one, once closed
  std::deque<Number> numbers_;
  int64_t next_id_ = 1000;  // of numbers and values in between
};

/// A graph compiled for its handle's device.
class CudnnPlan {
 public:
  /// The first of `engines` that can be compiled. Throws CudaError when none can.
  CudnnPlan(cudnnHandle_t handle, CudnnGraph graph, std::vector<CudnnEngine> engines);

  int64_t workspace_bytes() const { return workspace_bytes_; }

  struct Argument {
    int64_t id;
    const void* memory;
  };
  /// Queues it on the handle's stream.
  void run(cudnnHandle_t handle, const std::vector<Argument>& arguments, void* workspace) const;

 private:
  CudnnGraph graph_;
  std::vector<CudnnEngine> engines_;
  std::deque<CudnnDescriptor> plan_;  // one
  int64_t workspace_bytes_ = 0;
};

}  // namespace lckv::ops::cuda
