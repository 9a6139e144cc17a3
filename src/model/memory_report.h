#pragma once

#include <string>
#include <vector>

#include "lckv/tensor/arena.h"

namespace lckv::model {

/// What an arena holds, or will hold: bytes by kind of memory.
struct MemoryReport {
  struct Kind {
    std::string kind;   // "weights", "gradients", "activations", ...
    int64_t bytes = 0;  // padding included
    int pieces = 0;
    std::string largest;  // name of the largest piece
    int64_t largest_bytes = 0;
  };

  std::vector<Kind> kinds;  // in the order in which they are first taken
  int64_t total_bytes = 0;  // what the arena allocates
};

/// Works on a planning arena as well: the memory of a run is known before it is allocated.
MemoryReport memory_report(const Arena& arena);

/// One line per kind with bytes, share and largest piece, then the total.
std::string to_text(const MemoryReport& report);

}  // namespace lckv::model
