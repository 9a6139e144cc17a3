#pragma once

#include <bit>
#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/comm/communicators.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/model/dims.h"
#include "lckv/model/parameters.h"
#include "lckv/mpi_test/world.h"

namespace lckv::eval {

/// The ranks of a test share the cores.
inline const bool kOneThread = (ops::set_cpu_threads(1), true);

/// parallel.tensor of every grid in which this world's two or four ranks can stand.
inline std::vector<int> tensor_extents() {
  std::vector<int> extents;
  for (int tensor = 1; tensor <= test::world().size(); tensor *= 2) extents.push_back(tensor);
  return extents;
}

inline int kv_sharers(const config::ModelConfig& config, int tensor) {
  model::Dims dims = model::make_dims(config, 1, 1);
  dims.tp = tensor;
  return static_cast<int>(dims.kv_sharers());
}

/// Collective over the world.
inline comm::Communicators join_grid(const config::ModelConfig& config, int tensor) {
  comm::World& world = test::world();
  return comm::make_communicators(world, comm::make_grid(world.size(), world.rank(), tensor, 0),
                                  kv_sharers(config, tensor));
}

/// Each copy of that grid as a grid of its own. Collective over the world.
inline comm::Communicators join_one_copy(const config::ModelConfig& config, int tensor) {
  comm::World& world = test::world();
  const int copy = world.rank() / tensor;
  comm::Communicators ranks;
  ranks.grid = {.dp = 1, .tp = tensor, .rank = world.rank() % tensor};
  ranks.world = world.split("copy", copy);
  ranks.dp = comm::make_alone("dp");
  ranks.tp = world.split("tp", copy);
  ranks.kv = world.split("kv", world.rank() / kv_sharers(config, tensor));
  return ranks;
}

inline model::ParameterShare share_of(const comm::Communicators& ranks) {
  return {ranks.grid.tp, ranks.grid.tp_rank(), 1};
}

/// Stands before a group. `look` sees every blocking collective first; where it says false the
/// collective does not take place.
class Intercepted final : public comm::Communicator {
 public:
  using Look = std::function<bool(const comm::Collective&)>;
  Intercepted(std::unique_ptr<comm::Communicator> group, Look look)
      : Communicator(group->name(), group->rank(), group->size()),
        group_(std::move(group)),
        look_(std::move(look)) {}

 private:
  void run(Stream& stream, const comm::Collective& call) override {
    if (!look_(call)) return;
    switch (call.kind) {
      case comm::CollectiveKind::kAllReduce:
        return group_->all_reduce(stream, call.x, call.op, call.label);
      case comm::CollectiveKind::kReduceScatter:
        return group_->reduce_scatter(stream, call.own, call.x, call.label);
      case comm::CollectiveKind::kAllGather:
        return group_->all_gather(stream, call.x, call.own, call.label);
      case comm::CollectiveKind::kBroadcast:
        return group_->broadcast(stream, call.x, call.root, call.label);
      case comm::CollectiveKind::kBarrier:
        return group_->barrier(call.label);
    }
  }

  std::unique_ptr<comm::Communicator> group_;
  Look look_;
};

/// The planted fault: collectives of this label are left out. Returns how many, as it goes on.
inline std::shared_ptr<int> drop(std::unique_ptr<comm::Communicator>& group,
                                 const std::string& label) {
  auto dropped = std::make_shared<int>(0);
  group = std::make_unique<Intercepted>(std::move(group), [=](const comm::Collective& call) {
    if (call.label != label) return true;
    ++*dropped;
    return false;
  });
  return dropped;
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
