#include <algorithm>
#include <cmath>
#include <limits>

#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/paged_attention.cuh"

namespace lckv::ops::cuda {
namespace {

template <class T>
PageRows<T> page_rows(const ConstView& view) {
  return {device_data<T>(view), view.stride(0), view.stride(1), view.stride(2)};
}

template <class T>
void set_keys(PagedCall<T>& call, const PagedKeys& keys) {
  call.page_table = device_data<int32_t>(keys.page_table);
  call.table_row = keys.page_table.stride(0);
  call.sequence = device_data<int32_t>(keys.sequence);
  call.begin = device_data<int32_t>(keys.begin), call.end = device_data<int32_t>(keys.end);
  call.sink_end = keys.sink_end ? device_data<int32_t>(keys.sink_end) : nullptr;
  call.sequences = static_cast<int>(keys.page_table.dim(0));
  call.most_keys = static_cast<int>(std::min<int64_t>(keys.page_table.dim(1) * call.page_tokens,
                                                      std::numeric_limits<int32_t>::max()));
}

template <class T>
PagedCall<T> paged_call(const View& out, const ConstView& q, const ConstView& sinks,
                        const ConstView& k, const ConstView& v, const PagedKeys& keys) {
  PagedCall<T> call{};
  call.out = device_data<T>(out);
  call.q = device_data<T>(q);
  call.q_sinks = device_data<T>(sinks);
  call.out_row = out.stride(0), call.out_head = out.stride(1);
  call.q_row = q.stride(0), call.q_head = q.stride(1);
  call.sinks_row = sinks.stride(0), call.sinks_head = sinks.stride(1);
  call.k = page_rows<T>(k), call.v = page_rows<T>(v);
  call.page_tokens = static_cast<int32_t>(k.dim(1));
  call.queries = static_cast<int>(q.dim(0));
  call.kv_heads = static_cast<int>(k.dim(2));
  call.group = static_cast<int>(q.dim(1) / k.dim(2));
  call.width = static_cast<int>(q.dim(2));
  call.scale = 1.0 / std::sqrt(static_cast<double>(call.width));
  set_keys(call, keys);
  return call;
}

}  // namespace

void paged_attention_forward(Stream& stream, View out, ConstView q, ConstView q_sinks, ConstView k,
                             ConstView v, const PagedKeys& keys) {
  with_device_type(q.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto call = paged_call<T>(out, q, q_sinks ? q_sinks : q, k, v, keys);
    if constexpr (std::is_same_v<T, __nv_bfloat16>) {
      if (fits_paged_mma(call)) return paged_mma(stream, call);
    }
    const bool wide = fits_packs<T>(k.raw(), k.dim(3), k.stride(0)) &&
                      fits_packs<T>(k.raw(), k.stride(1), k.stride(2));
    paged_general(stream, call, wide);
  });
}

}  // namespace lckv::ops::cuda
