#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/doctor/clock_skew.h"
#include "lckv/doctor/disk.h"

namespace lckv::doctor {

/// Measured on all ranks at the same time, as in training.
struct RankRates {
  double matmul_flops_per_s = 0;
  double memory_bytes_per_s = 0;
};

/// The folder that ranks are to share, as a node sees it.
struct NodeDisk {
  bool sees_rank_0 = false;  // this rank, a file that rank 0 wrote there
  DiskFacts facts;
  DiskRates rates;  // when it sees the folder
};

/// What one rank found. `disk`, but for what it sees, and the node's rate are those of its node.
struct RankFacts {
  int rank = 0, local_rank = 0;
  std::string host;
  int node_rank = 0;   // the lowest rank of its machine: tells machines apart
  std::string device;  // "cpu avx512", "cuda:0 NVIDIA H200"
  bool has_gpu = false;
  std::string dtype;  // of the matmul: what training takes there
  int threads = 0;
  int64_t memory_bytes = 0;  // available to this process
  RankRates rates;
  std::string problem;  // why nothing could be measured; "" where all is well
  ClockOffset clock;
  double node_bus_bytes_per_s = 0;  // all_reduce among the ranks of its node; 0: it is alone there
  NodeDisk disk;
};

/// As text and back: how it travels, and how `--json` prints it.
std::string encode(const RankFacts& facts);
RankFacts decode_rank_facts(const std::string& text);

/// What all of them found together.
struct NodesFacts {
  std::vector<RankFacts> ranks;  // by rank
  double bus_bytes_per_s = 0;    // all_reduce over all ranks; 0: there is one
  bool over_nccl = false;
  std::string folder;  // "": none was named
};

}  // namespace lckv::doctor
