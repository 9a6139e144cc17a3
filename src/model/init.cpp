#include "lckv/model/init.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "lckv/base/error.h"
#include "lckv/base/process.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/tensor/transfer.h"

namespace lckv::model {

namespace {

/// Index in the whole tensor of the first element of local row `row`.
int64_t global_index(const Parameter& p, int64_t row) {
  const int64_t width = p.shape.rank() == 1 ? 1 : p.shape[1];
  return p.axis == 0 ? (p.begin + row) * width : row * width + p.begin;
}

/// Rows of the part that exist in the whole; the others are padding.
int64_t real_rows(const Parameter& p) { return p.axis == 0 ? p.extent : p.local[0]; }

int64_t row_elems(const Parameter& p) { return p.local.rank() == 1 ? 1 : p.local[1]; }

/// Calls f(first row, last row + 1) for shares of the rows, in threads when there is much to do.
template <class F>
void parallel_rows(int64_t rows, int64_t elems_per_row, const F& f) {
  const int64_t workers =
      std::max<int64_t>(1, std::min<int64_t>({usable_cores(), rows, rows * elems_per_row >> 16}));
  std::vector<std::jthread> threads;
  for (int64_t w = 0; w < workers; ++w) {
    threads.emplace_back([=, &f] { f(rows * w / workers, rows * (w + 1) / workers, w); });
  }
}

template <class T>
void fill_rows(T* to, const Parameter& p, int64_t begin, int64_t end, const CounterRng& rng,
               double deviation) {
  const int64_t width = row_elems(p);
  for (int64_t row = begin; row < end; ++row) {
    const int64_t first = global_index(p, row);
    for (int64_t c = 0; c < width; ++c) {
      const double value = deviation * rng.normal(static_cast<uint64_t>(first + c));
      if constexpr (std::is_same_v<T, double>) {
        to[row * width + c] = value;
      } else {
        to[row * width + c] = T(static_cast<float>(value));
      }
    }
  }
}

template <class T>
void initialize_part(const Parameter& p, View to, const config::ModelConfig& config,
                     uint64_t seed) {
  T* values = to.data<T>();
  if (p.role == Role::kNorm) {
    std::fill(values, values + to.numel(), T(1));
    return;
  }
  const CounterRng rng(seed, hash_text(p.name));
  parallel_rows(real_rows(p), row_elems(p), [&](int64_t begin, int64_t end, int64_t) {
    fill_rows(values, p, begin, end, rng, config.initializer_range);
  });
  std::fill(values + real_rows(p) * row_elems(p), values + to.numel(), T(0));
  if (p.role != Role::kTokenEmbedding || !config.pad_token_id) return;
  const int64_t pad_row = *config.pad_token_id - p.begin;
  if (pad_row < 0 || pad_row >= p.extent) return;
  std::fill_n(values + pad_row * row_elems(p), row_elems(p), T(0));
}

uint64_t mixed(uint64_t x) {  // finaliser of splitmix64: every input bit reaches every output bit
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

uint64_t bits_of(const std::byte* element, int64_t size) {
  uint64_t bits = 0;
  std::memcpy(&bits, element, static_cast<size_t>(size));
  return bits;
}

/// Sum over elements of a hash of (name, index, bits): the ranks' parts add up in any order.
uint64_t hash_of_part(const Parameter& p, ConstView part) {
  const OnHost on_host(part);
  const auto* bytes = static_cast<const std::byte*>(on_host.view().raw());
  const int64_t size = size_bytes(part.dtype()), width = row_elems(p);
  const uint64_t name = hash_text(p.name);
  std::vector<uint64_t> sums(static_cast<size_t>(std::max(1, usable_cores())), 0);
  parallel_rows(real_rows(p), width, [&](int64_t begin, int64_t end, int64_t worker) {
    uint64_t sum = 0;
    for (int64_t row = begin; row < end; ++row) {
      const auto first = static_cast<uint64_t>(global_index(p, row));
      const std::byte* element = bytes + row * width * size;
      for (int64_t c = 0; c < width; ++c, element += size) {
        sum += mixed(mixed(name + first + static_cast<uint64_t>(c)) ^ bits_of(element, size));
      }
    }
    sums[static_cast<size_t>(worker)] = sum;
  });
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

void initialize(const Parameter& parameter, View local, const config::ModelConfig& config,
                uint64_t seed) {
  LCKV_CHECK(local.shape() == parameter.local,
             format("'{}': {} to fill, its part is {}", parameter.name, local.describe(),
                    to_string(parameter.local)));
  with_float_type(local.dtype(), [&](auto tag) {
    initialize_part<typename decltype(tag)::type>(parameter, local, config, seed);
  });
}

void initialize(const ParameterSet& weights, const config::ModelConfig& config, uint64_t seed) {
  for (const Parameter& parameter : weights.table().parameters) {
    initialize(parameter, weights.view(parameter), config, seed);
  }
}

uint64_t content_hash(Stream& stream, const ParameterSet& set, comm::Communicator& tp) {
  uint64_t hash = 0;
  for (const Parameter& parameter : set.table().parameters) {
    if (parameter.counts_here) hash += hash_of_part(parameter, set.view(parameter));
  }
  tp.all_reduce(stream, View(&hash, DType::kI64, {1}), comm::ReduceOp::kSum, "weights hash");
  return hash;
}

}  // namespace lckv::model
