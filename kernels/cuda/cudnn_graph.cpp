#if __has_include(<cudnn_backend.h>)

#include "lckv/kernels/cuda/cudnn_graph.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cuda/cudnn_library.h"

namespace lckv::ops::cuda {

CudnnDescriptor::CudnnDescriptor(cudnnBackendDescriptorType_t type) {
  cudnn().check(cudnn().create_descriptor(type, &native_), "cudnnBackendCreateDescriptor");
}

CudnnDescriptor::~CudnnDescriptor() {
  if (native_ != nullptr) (void)cudnn().destroy_descriptor(native_);
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                          int64_t count, const void* values) {
  const cudnnStatus_t status = cudnn().set_attribute(native_, name, type, count, values);
  if (status == CUDNN_STATUS_SUCCESS) return;
  throw CudaError(
      format("cudnnBackendSetAttribute {}: {}", static_cast<int>(name), cudnn().describe(status)));
}

void CudnnDescriptor::set(cudnnBackendAttributeName_t name, const CudnnDescriptor& value) {
  const cudnnBackendDescriptor_t native = value.native();
  set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &native);
}
void CudnnDescriptor::set(cudnnBackendAttributeName_t name, bool value) {
  set(name, CUDNN_TYPE_BOOLEAN, 1, &value);
}
void CudnnDescriptor::set(cudnnBackendAttributeName_t name, int64_t value) {
  set(name, CUDNN_TYPE_INT64, 1, &value);
}
void CudnnDescriptor::set(cudnnBackendAttributeName_t name, cudnnDataType_t value) {
  set(name, CUDNN_TYPE_DATA_TYPE, 1, &value);
}

cudnnStatus_t CudnnDescriptor::try_finalize() { return cudnn().finalize(native_); }
void CudnnDescriptor::finalize(const char* what) { cudnn().check(try_finalize(), what); }

int64_t CudnnDescriptor::get_int64(cudnnBackendAttributeName_t name) const {
  int64_t value = 0, count = 0;
  cudnn().check(cudnn().get_attribute(native_, name, CUDNN_TYPE_INT64, 1, &count, &value),
                "cudnnBackendGetAttribute");
  return value;
}

CudnnLayout CudnnLayout::packed(const Axes& dims) {
  CudnnLayout layout{dims, {}};
  int64_t stride = 1;
  for (size_t axis = 4; axis-- > 0;) {
    layout.strides[axis] = stride;
    stride *= dims[axis];
  }
  return layout;
}

CudnnLayout CudnnLayout::transposed() const {
  CudnnLayout layout = *this;
  std::swap(layout.dims[2], layout.dims[3]);
  std::swap(layout.strides[2], layout.strides[3]);
  return layout;
}

CudnnGraph::Tensor CudnnGraph::add_tensor(int64_t id, cudnnDataType_t type,
                                          const CudnnLayout& layout,
                                          cudnnBackendAttributeName_t property) {
  CudnnDescriptor& tensor = tensors_.emplace_back(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, id);
  tensor.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, layout.dims.data());
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, layout.strides.data());
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16});
  if (property != CUDNN_ATTR_TENSOR_UNIQUE_ID) tensor.set(property, true);
  tensor.finalize("a tensor for cuDNN");
  return &tensor;
}

CudnnGraph::Tensor CudnnGraph::memory(int64_t id, cudnnDataType_t type, const CudnnLayout& layout) {
  return add_tensor(id, type, layout, CUDNN_ATTR_TENSOR_UNIQUE_ID);
}
CudnnGraph::Tensor CudnnGraph::between(const CudnnLayout& layout, cudnnDataType_t type) {
  return add_tensor(next_id_++, type, layout, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
}
CudnnGraph::Tensor CudnnGraph::number(float value) {
  numbers_.push_back({next_id_++, value});
  return add_tensor(numbers_.back().id, CUDNN_DATA_FLOAT, CudnnLayout::packed({1, 1, 1, 1}),
                    CUDNN_ATTR_TENSOR_IS_BY_VALUE);
}

CudnnDescriptor& CudnnGraph::add_operation(cudnnBackendDescriptorType_t type) {
  return operations_.emplace_back(type);
}

void CudnnGraph::matmul(Tensor a, Tensor b, Tensor c) {
  CudnnDescriptor& how = parameters_.emplace_back(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  how.set(CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT);
  how.finalize("a product for cuDNN");
  CudnnDescriptor& operation = add_operation(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_ADESC, *a);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_BDESC, *b);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_CDESC, *c);
  operation.set(CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
  operation.finalize("a product for cuDNN");
}

void CudnnGraph::add_pointwise(const Pointwise& operation) {
  CudnnDescriptor& how = parameters_.emplace_back(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  how.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &operation.mode);
  how.set(CUDNN_ATTR_POINTWISE_MATH_PREC, operation.precision);
  if (operation.axis >= 0) how.set(CUDNN_ATTR_POINTWISE_AXIS, operation.axis);
  how.finalize("a pointwise operation for cuDNN");
  CudnnDescriptor& added = add_operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  added.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
  added.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *operation.x);
  if (operation.b != nullptr) added.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *operation.b);
  if (operation.condition != nullptr) {
    added.set(CUDNN_ATTR_OPERATION_POINTWISE_TDESC, *operation.condition);
  }
  added.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, *operation.y);
  added.finalize("a pointwise operation for cuDNN");
}

void CudnnGraph::pointwise(cudnnPointwiseMode_t f, Tensor x, Tensor b, Tensor y) {
  add_pointwise({.mode = f, .x = x, .b = b, .y = y});
}
void CudnnGraph::compare(cudnnPointwiseMode_t f, Tensor x, Tensor b, Tensor y) {
  add_pointwise({.mode = f, .precision = CUDNN_DATA_BOOLEAN, .x = x, .b = b, .y = y});
}
void CudnnGraph::select(Tensor x, Tensor b, Tensor condition, Tensor y) {
  add_pointwise(
      {.mode = CUDNN_POINTWISE_BINARY_SELECT, .x = x, .b = b, .condition = condition, .y = y});
}
void CudnnGraph::index(int64_t axis, Tensor x, Tensor y) {
  add_pointwise({.mode = CUDNN_POINTWISE_GEN_INDEX, .x = x, .y = y, .axis = axis});
}

void CudnnGraph::reduce(cudnnReduceTensorOp_t op, Tensor x, Tensor y) {
  CudnnDescriptor& how = parameters_.emplace_back(CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  how.set(CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &op);
  how.set(CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  how.finalize("a reduction for cuDNN");
  CudnnDescriptor& operation = add_operation(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_XDESC, *x);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_YDESC, *y);
  operation.set(CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
  operation.finalize("a reduction for cuDNN");
}

void CudnnGraph::reshape(Tensor x, Tensor y) {
  CudnnDescriptor& operation = add_operation(CUDNN_BACKEND_OPERATION_RESHAPE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_RESHAPE_XDESC, *x);
  operation.set(CUDNN_ATTR_OPERATION_RESHAPE_YDESC, *y);
  operation.finalize("a reshape for cuDNN");
}

void CudnnGraph::close(cudnnHandle_t handle) {
  std::vector<cudnnBackendDescriptor_t> operations;
  for (const CudnnDescriptor& operation : operations_) operations.push_back(operation.native());
  CudnnDescriptor& graph = graph_.emplace_back(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            static_cast<int64_t>(operations.size()), operations.data());
  if (handle != nullptr) {
    graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  }
  graph.finalize("a graph for cuDNN");
}

namespace {

CudnnDescriptor device_of(const std::string& properties) {
  CudnnDescriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
             static_cast<int64_t>(properties.size()), properties.data());
  device.finalize("a device for cuDNN");
  return device;
}

CudnnEngine described(CudnnDescriptor configuration) {
  const CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t native = engine.native();
  int64_t count = 0;
  cudnn().check(cudnn().get_attribute(configuration.native(), CUDNN_ATTR_ENGINECFG_ENGINE,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &native),
                "the engine of a cuDNN configuration");
  const int64_t workspace = configuration.get_int64(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE);
  return {std::move(configuration), engine.get_int64(CUDNN_ATTR_ENGINE_GLOBAL_INDEX), workspace};
}

}  // namespace

std::vector<CudnnEngine> CudnnGraph::engines(const std::string& device_properties) const {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  const cudnnBackendHeurMode_t mode = CUDNN_HEUR_MODE_A;
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph_.front());
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  std::deque<CudnnDescriptor> device;
  if (!device_properties.empty()) {
    heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                   device.emplace_back(device_of(device_properties)));
  }
  const cudnnStatus_t status = heuristics.try_finalize();
  if (status == CUDNN_STATUS_NOT_SUPPORTED) return {};
  cudnn().check(status, "the heuristics of cuDNN");
  int64_t count = 0;
  cudnn().check(cudnn().get_attribute(heuristics.native(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
                "the heuristics of cuDNN");
  std::vector<CudnnDescriptor> configurations;
  std::vector<cudnnBackendDescriptor_t> natives;
  for (int64_t i = 0; i < count; ++i) {
    configurations.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    natives.push_back(configurations.back().native());
  }
  cudnn().check(cudnn().get_attribute(heuristics.native(), CUDNN_ATTR_ENGINEHEUR_RESULTS,
                                      CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &count, natives.data()),
                "the heuristics of cuDNN");
  while (static_cast<int64_t>(configurations.size()) > count) configurations.pop_back();
  std::vector<CudnnEngine> engines;
  for (CudnnDescriptor& found : configurations) engines.push_back(described(std::move(found)));
  return engines;
}

CudnnPlan::CudnnPlan(cudnnHandle_t handle, CudnnGraph graph, std::vector<CudnnEngine> engines)
    : graph_(std::move(graph)), engines_(std::move(engines)) {
  std::string refusals;
  for (const CudnnEngine& engine : engines_) {
    CudnnDescriptor& plan = plan_.emplace_back(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine.configuration);
    const cudnnStatus_t status = plan.try_finalize();
    if (status == CUDNN_STATUS_SUCCESS) {
      workspace_bytes_ = plan.get_int64(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
      return;
    }
    refusals += format("\n  engine {}: {}", engine.index, cudnn().describe(status));
    plan_.clear();
  }
  throw CudaError(format("cuDNN can compile none of the engines it proposes:{}", refusals));
}

void CudnnPlan::run(cudnnHandle_t handle, const std::vector<Argument>& arguments,
                    void* workspace) const {
  std::vector<int64_t> ids;
  std::vector<const void*> pointers;
  for (const Argument& argument : arguments) {
    ids.push_back(argument.id);
    pointers.push_back(argument.memory);
  }
  for (const CudnnGraph::Number& number : graph_.numbers()) {
    ids.push_back(number.id);
    pointers.push_back(&number.value);
  }
  CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  const auto count = static_cast<int64_t>(ids.size());
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, ids.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers.data());
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  pack.finalize("the arguments of a cuDNN graph");
  cudnn().check(cudnn().execute(handle, plan_.front().native(), pack.native()),
                "cudnnBackendExecute");
}

}  // namespace lckv::ops::cuda

#endif
