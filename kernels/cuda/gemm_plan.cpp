#include "lckv/kernels/cuda/gemm_plan.h"

#include <cstring>

#include <cuda_runtime_api.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cuda/cublaslt_library.h"
#include "lckv/kernels/cuda/matmul_general.h"
#include "lckv/kernels/cuda/scratch.h"

namespace lckv::ops::cuda {

namespace {

static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(GemmAlgorithm));

cublasLtMatmulAlgo_t native(const GemmAlgorithm& algorithm) {
  cublasLtMatmulAlgo_t result;
  std::memcpy(&result, algorithm.data(), sizeof(result));
  return result;
}

GemmAlgorithm portable(const cublasLtMatmulAlgo_t& algorithm) {
  GemmAlgorithm result;
  std::memcpy(result.data(), &algorithm, sizeof(algorithm));
  return result;
}

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::kBF16:
      return CUDA_R_16BF;
    case DType::kF32:
      return CUDA_R_32F;
    case DType::kF64:
      return CUDA_R_64F;
    default:
      throw DTypeError(format("a product of {}", name(dtype)));
  }
}

/// 0 or 1 in the type of the sums.
const void* factor(DType in, bool one) {
  static constexpr float kFloats[] = {0.0f, 1.0f};
  static constexpr double kDoubles[] = {0.0, 1.0};
  if (in == DType::kF64) return &kDoubles[one ? 1 : 0];
  return &kFloats[one ? 1 : 0];
}

template <class Handle, class Destroy>
class Owned {
 public:
  Owned(Handle handle, Destroy* destroy) : handle_(handle), destroy_(destroy) {}
  ~Owned() { (void)destroy_(handle_); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle get() const { return handle_; }

 private:
  Handle handle_;
  Destroy* destroy_;
};

using Layout = Owned<cublasLtMatrixLayout_t, decltype(cublasLtMatrixLayoutDestroy)>;
using Operation = Owned<cublasLtMatmulDesc_t, decltype(cublasLtMatmulDescDestroy)>;
using Preference = Owned<cublasLtMatmulPreference_t, decltype(cublasLtMatmulPreferenceDestroy)>;

/// A row-major [rows, cols] as cuBLASLt sees it: column-major [cols, rows].
cublasLtMatrixLayout_t make_layout(DType dtype, int64_t rows, int64_t cols, int64_t stride) {
  cublasLtMatrixLayout_t made = nullptr;
  cublaslt().check(cublaslt().layout_create(&made, data_type(dtype), static_cast<uint64_t>(cols),
                                            static_cast<uint64_t>(rows), stride),
                   "cublasLtMatrixLayoutCreate");
  return made;
}

cublasLtMatmulDesc_t make_operation(DType in) {
  const bool is_double = in == DType::kF64;
  cublasLtMatmulDesc_t made = nullptr;
  cublaslt().check(
      cublaslt().desc_create(&made, is_double ? CUBLAS_COMPUTE_64F : CUBLAS_COMPUTE_32F,
                             is_double ? CUDA_R_64F : CUDA_R_32F),
      "cublasLtMatmulDescCreate");
  return made;
}

cublasLtMatmulPreference_t make_preference() {
  cublasLtMatmulPreference_t made = nullptr;
  cublaslt().check(cublaslt().preference_create(&made), "cublasLtMatmulPreferenceCreate");
  return made;
}

template <class T>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t attribute, T value) {
  cublaslt().check(cublaslt().desc_set(operation.get(), attribute, &value, sizeof(value)),
                   "cublasLtMatmulDescSetAttribute");
}

template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  cublaslt().check(cublaslt().preference_set(preference.get(), attribute, &value, sizeof(value)),
                   "cublasLtMatmulPreferenceSetAttribute");
}

}  // namespace

/// Row-major C = A B is column-major C' = B' A': the operands change places.
struct GemmPlan::Descriptors {
  Descriptors(const GemmKey& key, int device)
      : lt(cublaslt()),
        handle(cublaslt_handle(device)),
        operation(make_operation(key.in), lt.desc_destroy),
        a(key.a_transposed ? make_layout(key.in, key.sums, key.rows, key.a_stride)
                           : make_layout(key.in, key.rows, key.sums, key.a_stride),
          lt.layout_destroy),
        b(key.b_transposed ? make_layout(key.in, key.cols, key.sums, key.b_stride)
                           : make_layout(key.in, key.sums, key.cols, key.b_stride),
          lt.layout_destroy),
        added(make_layout(key.out, key.rows, key.cols, key.added_stride), lt.layout_destroy),
        c(make_layout(key.out, key.rows, key.cols, key.c_stride), lt.layout_destroy) {
    set(operation, CUBLASLT_MATMUL_DESC_TRANSA, key.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(operation, CUBLASLT_MATMUL_DESC_TRANSB, key.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  }

  const CublasLt& lt;
  cublasLtHandle_t handle;
  Operation operation;
  Layout a, b, added, c;
};

GemmPlan::GemmPlan(const GemmKey& key, int device)
    : key_(key), descriptors_(std::make_unique<Descriptors>(key, device)) {}
GemmPlan::~GemmPlan() = default;

std::vector<GemmAlgorithm> GemmPlan::proposals(int most) const {
  const Descriptors& d = *descriptors_;
  const Preference preference(make_preference(), d.lt.preference_destroy);
  const auto alignment = [this](size_t i) { return static_cast<uint32_t>(key_.alignments[i]); };
  set(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kGemmWorkspaceBytes});
  // Parts of a sum meet in the type of the sum, and in a fixed order: not by atomic additions.
  set(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(1));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(0));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(2));
  set(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(3));
  std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<size_t>(most));
  int found = 0;
  const cublasStatus_t status =
      d.lt.algo_get_heuristic(d.handle, d.operation.get(), d.b.get(), d.a.get(), d.added.get(),
                              d.c.get(), preference.get(), most, results.data(), &found);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
  d.lt.check(status, "cublasLtMatmulAlgoGetHeuristic");
  std::vector<GemmAlgorithm> algorithms;
  for (int i = 0; i < found; ++i) {
    const auto& result = results[static_cast<size_t>(i)];
    if (result.state == CUBLAS_STATUS_SUCCESS) algorithms.push_back(portable(result.algo));
  }
  return algorithms;
}

bool GemmPlan::accepts(const GemmAlgorithm& algorithm) const {
  const Descriptors& d = *descriptors_;
  const cublasLtMatmulAlgo_t checked = native(algorithm);
  cublasLtMatmulHeuristicResult_t result{};
  const cublasStatus_t status = d.lt.algo_check(d.handle, d.operation.get(), d.b.get(), d.a.get(),
                                                d.added.get(), d.c.get(), &checked, &result);
  return status == CUBLAS_STATUS_SUCCESS && result.state == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= static_cast<size_t>(kGemmWorkspaceBytes);
}

bool GemmPlan::try_run(Stream& stream, const GemmOperands& at,
                       const GemmAlgorithm& algorithm) const {
  const Descriptors& d = *descriptors_;
  const cublasLtMatmulAlgo_t used = native(algorithm);
  void* const workspace = scratch(stream, ScratchUse::kGemmWorkspace, kGemmWorkspaceBytes);
  const void* const added = at.added != nullptr ? at.added : at.c;
  return d.lt.matmul(d.handle, d.operation.get(), factor(key_.in, true), at.b, d.b.get(), at.a,
                     d.a.get(), factor(key_.in, key_.added != GemmAdded::kNothing), added,
                     d.added.get(), at.c, d.c.get(), &used, workspace, kGemmWorkspaceBytes,
                     static_cast<cudaStream_t>(stream.native())) == CUBLAS_STATUS_SUCCESS;
}

void GemmPlan::run(Stream& stream, const GemmOperands& at) const {
  if (!chosen_) return matmul_general(stream, key_, at);
  if (try_run(stream, at, *chosen_)) return;
  throw CudaError(format("cublasLtMatmul refuses {}", to_text(key_)));
}

}  // namespace lckv::ops::cuda
