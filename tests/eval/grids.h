#pragma once

#include <bit>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/model/parameters.h"
#include "lckv/mpi_test/model_grid.h"

namespace lckv::eval {

/// The ranks of a test share the cores.
inline const bool kOneThread = (ops::set_cpu_threads(1), true);

/// parallel.tensor of every grid in which this world's two or four ranks can stand.
inline std::vector<int> tensor_extents() {
  std::vector<int> extents;
  for (int tensor = 1; tensor <= test::world().size(); tensor *= 2) extents.push_back(tensor);
  return extents;
}

using test::join_grid;
using test::join_one_copy;

inline model::ParameterShare share_of(const comm::Communicators& ranks) {
  return {ranks.grid.tp, ranks.grid.tp_rank(), 1};
}

/// A NaN equals nothing.
inline bool is_close(double actual, double expected, double relative) {
  return std::abs(actual - expected) <= relative * std::abs(expected);
}

/// Whether all ranks of the world hold these very bits. Collective.
inline bool equal_on_all_ranks(const std::vector<double>& values) {
  std::string bits;
  for (const double value : values) bits += format("{:x} ", std::bit_cast<uint64_t>(value));
  for (const std::string& other : comm::gather_texts(test::world().all(), bits)) {
    if (other != bits) return false;
  }
  return true;
}

/// Whether all ranks of the world have this text. Collective.
inline bool equal_on_all_ranks(const std::string& text) {
  for (const std::string& other : comm::gather_texts(test::world().all(), text)) {
    if (other != text) return false;
  }
  return true;
}

/// An empty folder of this test and rank.
inline std::filesystem::path rank_folder() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) /
      format("lckv_{}_{}_of_{}", test->name(), test::world().rank(), test::world().size());
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace lckv::eval
