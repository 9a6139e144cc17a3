#pragma once

#include <string>
#include <vector>

#include "lckv/tensor/arena.h"

namespace lckv::model {

/// What kernels and collectives will keep of a device for themselves, beside the arena.
struct ScratchMemory {
  std::vector<Arena::Piece> pieces;
  std::vector<std::string> unknown;  // what else there will be: "cuDNN's attention (...)"

  void add(const std::string& name, int64_t bytes) {
    if (bytes > 0) pieces.push_back({"scratch", name, bytes});
  }
  int64_t bytes() const;
};

/// What an arena holds, or will hold: bytes by kind of memory.
struct MemoryReport {
  struct Kind {
    std::string kind;   // "weights", "gradients", "activations", ...
    int64_t bytes = 0;  // padding included
    int pieces = 0;
    std::string largest;  // name of the largest piece
    int64_t largest_bytes = 0;
  };

  std::vector<Kind> kinds;           // in the order in which they are first taken
  int64_t total_bytes = 0;           // what the arena allocates, and scratch
  std::vector<std::string> unknown;  // not in it
};

/// Works on a planning arena as well: the memory of a run is known before it is allocated.
MemoryReport memory_report(const Arena& arena, const ScratchMemory& scratch = {});

/// One line per kind with bytes, share and largest piece, then the total and what it leaves out.
std::string to_text(const MemoryReport& report);

}  // namespace lckv::model
