#include "lckv/comm/grid.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

/// "1, 2, 3 or 6"
std::string divisors_of(int number) {
  std::string text;
  for (int divisor = 1; divisor <= number; ++divisor) {
    if (number % divisor != 0) continue;
    if (!text.empty()) text += divisor == number ? " or " : ", ";
    text += std::to_string(divisor);
  }
  return text;
}

[[noreturn]] void refuse_remainder(int ranks, const char* key, int extent) {
  const int below = ranks / extent * extent;
  throw ConfigError(format("{} rank{} {} not divide by {} {}: start {}{} ranks, or set {} to {}",
                           ranks, ranks == 1 ? "" : "s", ranks == 1 ? "does" : "do", key, extent,
                           below > 0 ? format("{} or ", below) : "", below + extent, key,
                           divisors_of(ranks)));
}

[[noreturn]] void refuse_product(int ranks, int tensor, int data) {
  std::string message =
      format("parallel.data {} x parallel.tensor {} = {} ranks, but {} {} started: start {}", data,
             tensor, data * tensor, ranks, ranks == 1 ? "was" : "were", data * tensor);
  if (ranks % tensor == 0) message += format(", or set parallel.data to {}", ranks / tensor);
  throw ConfigError(message);
}

}  // namespace

Grid make_grid(int ranks, int rank, int tensor, int data) {
  LCKV_CHECK(0 <= rank && rank < ranks, format("rank {} of {}", rank, ranks));
  if (tensor < 0 || data < 0) {
    throw ConfigError(
        format("parallel.tensor is {} and parallel.data {}: expected 1 or more, or 0 for what fits",
               tensor, data));
  }
  if (tensor == 0 && data == 0) tensor = 1;
  if (tensor > 0 && data > 0 && int64_t{tensor} * data != ranks) {
    refuse_product(ranks, tensor, data);
  }
  if (data == 0) {
    if (ranks % tensor != 0) refuse_remainder(ranks, "parallel.tensor", tensor);
    data = ranks / tensor;
  }
  if (tensor == 0) {
    if (ranks % data != 0) refuse_remainder(ranks, "parallel.data", data);
    tensor = ranks / data;
  }
  return {.dp = data, .tp = tensor, .rank = rank};
}

std::string to_string(const Grid& grid) { return format("dp {} x tp {}", grid.dp, grid.tp); }

}  // namespace lckv::comm
