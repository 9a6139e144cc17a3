#include "lckv/kernels/cpu/onednn_primitive.h"

#include <array>

#include <omp.h>
#include <oneapi/dnnl/dnnl.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cpu/thread_scratch.h"

namespace lckv::ops::cpu {
namespace {

// Never destroyed: threads may still release their primitives while static objects die.
const dnnl::engine& engine() {
  static const auto& instance = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return instance;
}

dnnl::memory::data_type dnnl_type(DType dtype) {
  return dtype == DType::kBF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
}

dnnl::memory::desc matrix(DType dtype, int64_t rows, int64_t cols, int64_t row_stride,
                          int64_t col_stride) {
  return {{rows, cols}, dnnl_type(dtype), dnnl::memory::dims{row_stride, col_stride}};
}

dnnl::primitive_attr attributes(const GemmShape& s) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops after;
  if (s.accumulate) after.append_sum(1.0f);
  if (s.residual_row_stride > 0) {
    after.append_binary(dnnl::algorithm::binary_add,
                        matrix(s.out, s.m, s.n, s.residual_row_stride, 1));
  }
  attr.set_post_ops(after);
  return attr;
}

std::string describe(const GemmShape& s) {
  return format("{} [{}, {}] x [{}, {}] -> {}, strides a {} {}, b {} {}, c {}, residual {}{}",
                name(s.in), s.m, s.k, s.k, s.n, name(s.out), s.a_row_stride, s.a_col_stride,
                s.b_row_stride, s.b_col_stride, s.c_row_stride, s.residual_row_stride,
                s.accumulate ? ", accumulating" : "");
}

/// oneDNN divides the work among OpenMP's threads at preparation: this says how many it sees.
class PreparedFor {
 public:
  explicit PreparedFor(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~PreparedFor() { omp_set_num_threads(before_); }

 private:
  int before_;
};

}  // namespace

struct GemmPrimitive::State {
  explicit State(const GemmShape& s)
      : description({matrix(s.in, s.m, s.k, s.a_row_stride, s.a_col_stride),
                     matrix(s.in, s.k, s.n, s.b_row_stride, s.b_col_stride),
                     matrix(s.out, s.m, s.n, s.c_row_stride, 1)},
                    attributes(s), engine()),
        primitive(description),
        stream(engine()),
        a(description.src_desc(), engine(), nullptr),
        b(description.weights_desc(), engine(), nullptr),
        c(description.dst_desc(), engine(), nullptr),
        scratch(description.scratchpad_desc(), engine(), nullptr) {
    if (s.residual_row_stride > 0) {
      residual = {matrix(s.out, s.m, s.n, s.residual_row_stride, 1), engine(), nullptr};
    }
  }

  dnnl::matmul::primitive_desc description;
  dnnl::matmul primitive;
  dnnl::stream stream;
  dnnl::memory a;
  dnnl::memory b;
  dnnl::memory c;
  dnnl::memory scratch;
  dnnl::memory residual;
};

GemmPrimitive::GemmPrimitive(const GemmShape& shape) {
  const PreparedFor threads(shape.caller_only ? 1 : omp_get_max_threads());
  try {
    state_ = std::make_unique<State>(shape);
  } catch (const dnnl::error& error) {
    throw InternalError(
        format("oneDNN refuses the matrix product {}: {}", describe(shape), error.what()));
  }
}

GemmPrimitive::~GemmPrimitive() = default;
GemmPrimitive::GemmPrimitive(GemmPrimitive&&) noexcept = default;

void GemmPrimitive::run(void* c, const void* a, const void* b, const void* residual) {
  static thread_local ThreadScratch scratch;
  State& s = *state_;
  s.a.set_data_handle(const_cast<void*>(a));
  s.b.set_data_handle(const_cast<void*>(b));
  s.c.set_data_handle(c);
  s.scratch.set_data_handle(
      scratch.reserve(static_cast<int64_t>(s.description.scratchpad_desc().get_size())));

  // The C call: the C++ one builds a map and a vector, which takes longer than a small product.
  std::array<dnnl_exec_arg_t, 5> arguments{{{DNNL_ARG_SRC, s.a.get()},
                                            {DNNL_ARG_WEIGHTS, s.b.get()},
                                            {DNNL_ARG_DST, s.c.get()},
                                            {DNNL_ARG_SCRATCHPAD, s.scratch.get()},
                                            {}}};
  int count = 4;
  if (residual != nullptr) {
    s.residual.set_data_handle(const_cast<void*>(residual));
    arguments[4] = {DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, s.residual.get()};
    count = 5;
  }
  const dnnl_status_t status =
      dnnl_primitive_execute(s.primitive.get(), s.stream.get(), count, arguments.data());
  LCKV_CHECK(status == dnnl_success, format("oneDNN status {}", static_cast<int>(status)));
}

std::string GemmPrimitive::implementation() const { return state_->description.impl_info_str(); }

}  // namespace lckv::ops::cpu
