#include <array>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/timeline.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/communicators.h"
#include "lckv/comm/device_times.h"
#include "lckv/mpi_test/world.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/tensor/graph.h"
#include "lckv/tensor/transfer.h"
#include "lckv/test_support/compare.h"
#include "rank_data.h"

namespace lckv::comm {
namespace {

using test::rank_data;
using test::reduced;
using test::world;

constexpr std::array kDTypes = {DType::kBF16, DType::kF32, DType::kF64, DType::kI32, DType::kI64};

/// LCKV_REQUIRE_CUDA=1 makes the absence of a GPU an error, lest all is skipped where it should
/// have run.
bool has_cuda() {
  const char* const required = std::getenv("LCKV_REQUIRE_CUDA");
  const bool has = cuda::device_count() > 0;
  if (!has && required != nullptr && std::string_view(required) == "1") {
    throw CudaError("LCKV_REQUIRE_CUDA=1: " + cuda::why_no_device());
  }
  return has;
}

/// NCCL was told to take ranks that share a GPU.
bool shares_gpus() { return std::getenv("LCKV_NCCL_SHARED_GPU") != nullptr; }

/// A group of all ranks, each on a GPU: over NCCL where each has its own, staged over MPI always.
class OnDevice : public testing::TestWithParam<DevicePath> {
 protected:
  void SetUp() override {
    if (!has_cuda()) GTEST_SKIP() << cuda::why_no_device();
    const int gpus = cuda::device_count();
    if (GetParam() == DevicePath::kNccl && gpus < world().local_size() && !shares_gpus()) {
      GTEST_SKIP() << world().local_size() << " ranks on " << gpus << " GPUs";
    }
    device_ = {DeviceKind::kCuda, world().local_rank() % gpus};
    stream_ = Stream(device_);
    ranks_ = make_communicators(world(), make_grid(size(), rank(), 1, 0), 1, device_, GetParam());
  }

  int size() const { return world().size(); }
  int rank() const { return world().rank(); }
  Communicator& group() { return *ranks_.dp; }
  Buffer on_device(const Buffer& host) {
    Buffer copy(host.view().dtype(), host.view().shape(), device_);
    transfer(stream_, copy.view(), host.view());
    return copy;
  }
  Buffer own_data(DType dtype, int64_t count) { return on_device(rank_data(dtype, count, rank())); }
  Buffer expected(DType dtype, int64_t count, ReduceOp op = ReduceOp::kSum) const {
    return reduced(dtype, count, op, test::ranks_in_order(size()));
  }
  bool equal(const ConstView& actual, const Buffer& host) {
    return test::bit_equal(to_host(stream_, actual).view(), host.view());
  }

  Device device_;
  Stream stream_;
  Communicators ranks_;
};

std::string path_name(const testing::TestParamInfo<DevicePath>& info) {
  return info.param == DevicePath::kNccl ? "Nccl" : "Mpi";
}
INSTANTIATE_TEST_SUITE_P(Paths, OnDevice, testing::Values(DevicePath::kNccl, DevicePath::kMpi),
                         path_name);

TEST_P(OnDevice, TheGroupsSayHowViewsTravel) {
  EXPECT_EQ(ranks_.over_nccl, GetParam() == DevicePath::kNccl);
}

TEST_P(OnDevice, AllReduceIsTheSumInRankOrder) {
  for (const DType dtype : kDTypes) {
    for (const int64_t count : {0, 1, 7, 1000, 100003, 300000}) {
      const Buffer x = own_data(dtype, count);
      group().all_reduce(stream_, x.view(), ReduceOp::kSum, "test");
      EXPECT_TRUE(equal(x.view(), expected(dtype, count))) << name(dtype) << " " << count;
    }
  }
}

TEST_P(OnDevice, AllReduceIsTheMaximum) {
  for (const DType dtype : kDTypes) {
    for (const int64_t count : {5, 60000}) {
      const Buffer x = own_data(dtype, count);
      group().all_reduce(stream_, x.view(), ReduceOp::kMax, "test");
      EXPECT_TRUE(equal(x.view(), expected(dtype, count, ReduceOp::kMax))) << name(dtype);
    }
  }
}

TEST_P(OnDevice, AnotherOrderOfThreeOrMoreShows) {  // a test of the tests above
  if (size() == 2) return;                          // two numbers have one sum
  std::vector<int> wrong = test::ranks_in_order(size());
  std::swap(wrong.front(), wrong.back());
  const Buffer x = own_data(DType::kF32, 100003);
  group().all_reduce(stream_, x.view(), ReduceOp::kSum, "test");
  EXPECT_FALSE(equal(x.view(), reduced(DType::kF32, 100003, ReduceOp::kSum, wrong)));
}

// More than is staged at a time, and too much for rank_data.
TEST_P(OnDevice, AllReduceIsTheSumOfManyMegabytes) {
  constexpr int64_t kCount = (int64_t{9} << 20) + 3;
  const auto multiples_of = [](int factor) {
    Buffer x(DType::kF64, {kCount});
    for (int64_t i = 0; i < kCount; ++i) {
      x.view().data<double>()[i] = static_cast<double>(i) * factor;
    }
    return x;
  };
  const Buffer x = on_device(multiples_of(rank() + 1));
  group().all_reduce(stream_, x.view(), ReduceOp::kSum, "test");
  EXPECT_TRUE(equal(x.view(), multiples_of(size() * (size() + 1) / 2)));
}

TEST_P(OnDevice, ScatterLeavesThePartOfThisRank) {
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
    for (const int64_t part : {1, 7, 8, 1000, 40001}) {
      for (const bool in_place : {false, true}) {
        const Buffer x = own_data(dtype, part * size()), apart(dtype, {part}, device_);
        const View inside = x.view().slice(0, part * rank(), part * (rank() + 1));
        const View own = in_place ? inside : apart.view();
        group().reduce_scatter(stream_, own, x.view(), "test");
        const Buffer sum = expected(dtype, part * size()), mine(dtype, {part});
        Stream host;
        transfer(host, mine.view(), sum.view().slice(0, part * rank(), part * (rank() + 1)));
        EXPECT_TRUE(equal(own, mine)) << name(dtype) << " " << part << " in place " << in_place;
      }
    }
  }
}

TEST_P(OnDevice, GatherJoinsThePartsByRank) {
  for (const bool in_place : {false, true}) {
    constexpr int64_t kPart = 4001;
    const Buffer x(DType::kI32, {kPart * size()}, device_), apart = own_data(DType::kI32, kPart);
    View own = apart.view();
    if (in_place) {
      own = x.view().slice(0, kPart * rank(), kPart * (rank() + 1));
      transfer(stream_, own, apart.view());
    }
    group().all_gather(stream_, x.view(), own, "test");
    for (int other = 0; other < size(); ++other) {
      EXPECT_TRUE(equal(x.view().slice(0, kPart * other, kPart * (other + 1)),
                        rank_data(DType::kI32, kPart, other)));
    }
  }
}

TEST_P(OnDevice, BroadcastGivesTheRootsData) {
  for (int root = 0; root < size(); ++root) {
    const Buffer x = own_data(DType::kBF16, 3001);
    group().broadcast(stream_, x.view(), root, "test");
    EXPECT_TRUE(equal(x.view(), rank_data(DType::kBF16, 3001, root)));
  }
}

// Nothing waits on the host in between.
TEST_P(OnDevice, CollectivesComeInTheOrderOfTheStream) {
  const int64_t part = 5000;
  const Buffer x = own_data(DType::kF32, part * size()),
               kept(DType::kF32, {part * size()}, device_);
  const View own = x.view().slice(0, part * rank(), part * (rank() + 1));
  Pending scatter = group().start_reduce_scatter(stream_, own, x.view(), "grad");
  const Buffer norm = own_data(DType::kF64, 3);
  group().all_reduce(stream_, norm.view(), ReduceOp::kSum, "norm");
  scatter.finish();
  Pending gather = group().start_all_gather(stream_, x.view(), own, "weights");
  gather.finish();
  transfer(stream_, kept.view(), x.view());
  cuda::fill(stream_.native(), x.view().raw(), 0, x.bytes());
  EXPECT_TRUE(equal(kept.view(), expected(DType::kF32, part * size())));
  EXPECT_TRUE(equal(norm.view(), expected(DType::kF64, 3)));
}

TEST_P(OnDevice, AStartedCollectiveThatNobodyFinishesRunsToItsEnd) {
  const Buffer x = own_data(DType::kF32, 50000);
  (void)group().start_all_reduce(stream_, x.view(), ReduceOp::kSum, "grad");
  EXPECT_TRUE(equal(x.view(), expected(DType::kF32, 50000)));
}

TEST_P(OnDevice, ViewsInHostMemoryTravelInTheSameGroups) {
  const Buffer x = rank_data(DType::kF64, 11, rank());
  group().all_reduce(stream_, x.view(), ReduceOp::kSum, "test");
  EXPECT_TRUE(test::bit_equal(x.view(), expected(DType::kF64, 11).view()));
}

TEST_P(OnDevice, AGroupOfOneCopies) {
  const Buffer x = own_data(DType::kF32, 100), own(DType::kF32, {100}, device_);
  ranks_.tp->reduce_scatter(stream_, own.view(), x.view(), "test");
  EXPECT_TRUE(equal(own.view(), rank_data(DType::kF32, 100, rank())));
}

TEST_P(OnDevice, RecordedCollectivesRunAtEveryLaunch) {
  if (GetParam() != DevicePath::kNccl) return;  // the staged ones wait on the host
  const Buffer x = own_data(DType::kI64, 20000);
  const auto sum = [&] { group().all_reduce(stream_, x.view(), ReduceOp::kSum, "test"); };
  sum();  // makes the connections
  const Graph graph = Graph::record(stream_, sum);
  transfer(stream_, x.view(), rank_data(DType::kI64, 20000, rank()).view());
  graph.launch(stream_);
  EXPECT_TRUE(equal(x.view(), expected(DType::kI64, 20000)));
}

TEST_P(OnDevice, TheDeviceTimesWhatItRunsWhileATimelineRuns) {
  if (GetParam() != DevicePath::kNccl) return;
  const int64_t part = 100000;
  const Buffer x = own_data(DType::kF32, part * size());
  const View own = x.view().slice(0, part * rank(), part * (rank() + 1));
  group().all_reduce(stream_, x.view(), ReduceOp::kSum, "before");
  start_timeline();
  const double begin_s = timeline_now_s();
  group().all_reduce(stream_, x.view(), ReduceOp::kSum, "sum");
  Pending pending = group().start_reduce_scatter(stream_, own, x.view(), "scatter");
  pending.finish();
  stream_.synchronize();
  const double all_s = timeline_now_s() - begin_s;
  stop_timeline();
  const std::map<std::string, DeviceTimes> times = take_device_times(group());
  EXPECT_EQ(times.size(), 2u);
  const DeviceTimes& sum = times.at("sum");
  const DeviceTimes& scatter = times.at("scatter");
  EXPECT_GT(sum.blocking_s, 0);
  EXPECT_EQ(sum.started_s, 0);
  EXPECT_GT(scatter.started_s, 0);
  EXPECT_GT(scatter.waited_s, 0);
  EXPECT_LE(scatter.awaited_s, scatter.started_s);
  EXPECT_EQ(scatter.blocking_s, 0);
  EXPECT_LE(sum.blocking_s + scatter.waited_s, 1.01 * all_s);  // two clocks
  EXPECT_TRUE(take_device_times(group()).empty());
}

/// A failed group is given up alone.
TEST_P(OnDevice, AGroupGivenUpLeavesTheOthersWhole) {
  if (GetParam() != DevicePath::kNccl) return;
  try {
    const auto other = world().split_over_nccl("other", 0, device_);
    throw CommError("left by all");
  } catch (const CommError&) {
  }
  const Buffer x = own_data(DType::kF32, 1000);
  group().all_reduce(stream_, x.view(), ReduceOp::kSum, "test");
  EXPECT_TRUE(equal(x.view(), expected(DType::kF32, 1000)));
}

TEST(OnSharedDevices, NcclIsAskedAndItsRefusalToldToAllRanks) {
  if (!has_cuda()) GTEST_SKIP() << cuda::why_no_device();
  if (shares_gpus()) GTEST_SKIP() << "NCCL was told to take ranks that share a GPU";
  const Device shared{DeviceKind::kCuda, 0};
  const Grid grid = make_grid(world().size(), world().rank(), 1, 0);
  try {
    make_communicators(world(), grid, 1, shared, DevicePath::kNccl);
    ADD_FAILURE() << "taken";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kComm);
    EXPECT_THAT(error.what(), testing::HasSubstr("ncclCommInitRank"));
    EXPECT_THAT(error.what(), testing::HasSubstr("parallel.device_comm: mpi"));
  }
  EXPECT_FALSE(make_communicators(world(), grid, 1, shared, DevicePath::kAuto).over_nccl);
}

}  // namespace
}  // namespace lckv::comm
