#pragma once

#include <string>

namespace lckv::comm {

/// Where a rank stands: world = dp x tp, tp fastest, so that the ranks of one model copy are
/// neighbours (on one node where they can be).
struct Grid {
  int dp = 1;    // copies of the model, each on its own sequences
  int tp = 1;    // ranks that share one copy
  int rank = 0;  // in the world

  int ranks() const { return dp * tp; }
  int dp_rank() const { return rank / tp; }
  int tp_rank() const { return rank % tp; }
  bool operator==(const Grid&) const = default;
};

/// The grid of `ranks` processes for the run file's `parallel.tensor` and `parallel.data` (0: auto,
/// all that is left). Throws ConfigError with the rank count, the grid and what would fit.
Grid make_grid(int ranks, int rank, int tensor, int data);

/// "dp 2 x tp 4"
std::string to_string(const Grid& grid);

}  // namespace lckv::comm
