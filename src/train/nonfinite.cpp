#include "lckv/train/nonfinite.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "lckv/tensor/transfer.h"

namespace lckv::train {

const char* name(NonFiniteKind kind) {
  constexpr std::array<const char*, kNonFiniteKinds> kNames = {"weight", "master",   "adam_m",
                                                               "adam_v", "gradient", "loss"};
  return kNames[static_cast<size_t>(kind)];
}

namespace {

const char* describe(double value) {
  return std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
}

/// Elements of a bucket.
struct Range {
  int64_t begin, end;
};

/// A parameter's, without padding rows: those are its last.
Range real_range(const model::ParameterTable& table, const model::Parameter& p) {
  const int64_t row_elems = p.local.numel() / p.local[0];
  const int64_t begin = table.storage_of(p).offset_elems + p.first_row * row_elems;
  return {begin, begin + p.local.numel() / p.local[p.axis] * p.extent};
}

/// Where element `local` of a rank's part lies in the whole parameter.
int64_t whole_index(const model::Parameter& p, int64_t local) {
  if (p.axis == 0) return p.begin * (p.shape.numel() / p.shape[0]) + local;
  return local / p.local[1] * p.shape[1] + p.begin + local % p.local[1];
}

struct Elements {
  int64_t count = 0, first = 0;
  double value = 0;  // of the first
};

Elements look_through(const ConstView& there) {
  const OnHost on_host(there);
  const ConstView flat = on_host.view();
  Elements bad;
  with_float_type(flat.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* const x = flat.data<T>();
    for (int64_t i = 0; i < flat.numel(); ++i) {
      const auto value = static_cast<double>(static_cast<AccumulatorOf<T>>(x[i]));
      if (std::isfinite(value)) continue;
      if (bad.count == 0) {
        bad.first = i;
        bad.value = value;
      }
      ++bad.count;
    }
  });
  return bad;
}

}  // namespace

std::vector<NonFinite> find_nonfinite(const model::ParameterTable& table, const comm::Grid& grid,
                                      NonFiniteKind kind, const std::vector<View>& parts) {
  std::vector<NonFinite> found;
  for (const model::Parameter& p : table.parameters) {
    const auto b = static_cast<size_t>(table.storage_of(p).bucket);
    const int64_t elems = parts[b].numel();
    const int64_t held = elems == table.buckets[b].elems ? 0 : grid.dp_rank() * elems;
    const Range real = real_range(table, p);
    const int64_t begin = std::clamp<int64_t>(real.begin - held, 0, elems);
    const int64_t end = std::clamp<int64_t>(real.end - held, 0, elems);
    const Elements bad = look_through(parts[b].slice(0, begin, end));
    if (bad.count == 0) continue;
    const int64_t first = whole_index(p, held + begin + bad.first - real.begin);
    found.push_back({kind, p.name, grid.rank, 1, bad.count, first, describe(bad.value)});
  }
  return found;
}

std::vector<NonFinite> find_nonfinite_loss(const comm::Grid& grid, double loss) {
  if (std::isfinite(loss)) return {};
  return {{NonFiniteKind::kLoss, "", grid.rank, 1, 1, 0, describe(loss)}};
}

}  // namespace lckv::train
