#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/device_path.h"
#include "lckv/mpi_test/world.h"

namespace lckv::comm {
namespace {

using test::world;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string place(int rank) { return format("rank {} ({})", rank, world().host()); }
int last() { return world().size() - 1; }

/// A rank on a machine where all is well.
NcclHere here() { return {.gpu = format("GPU {}", world().rank()), .version = "2.28.9"}; }

/// The library loads on every rank but this one.
auto missing_on(int rank) {
  return [rank] {
    if (world().rank() == rank) throw CudaError("cannot load libnccl.so.2");
    return here();
  };
}

/// What all ranks throw when NCCL is asked for.
std::string refusal(const std::function<NcclHere()>& look) {
  try {
    takes_nccl(world(), DevicePath::kNccl, look);
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kDevice);
    return error.what();
  }
  return "taken";
}

TEST(DevicePaths, LeadOverNcclWhereEveryRankHasItAndAGpu) {
  EXPECT_TRUE(takes_nccl(world(), DevicePath::kAuto, here));
  EXPECT_TRUE(takes_nccl(world(), DevicePath::kNccl, here));
}

TEST(DevicePaths, LeadOverMpiWhenToldWithoutALook) {
  EXPECT_FALSE(takes_nccl(world(), DevicePath::kMpi, missing_on(0)));
}

TEST(DevicePaths, LeadAllRanksOverMpiWhereOneHasNoNccl) {
  for (const int rank : {0, last()}) {
    testing::internal::CaptureStderr();
    const bool taken = takes_nccl(world(), DevicePath::kAuto, missing_on(rank));
    const std::string logged = testing::internal::GetCapturedStderr();
    EXPECT_FALSE(taken);
    if (world().rank() == 0) {
      EXPECT_THAT(logged, AllOf(HasSubstr("staged through the host"),
                                HasSubstr(place(rank) + ": cannot load libnccl.so.2")));
    } else {
      EXPECT_EQ(logged, "");
    }
  }
}

TEST(DevicePaths, FailOnAllRanksWhereOneHasNotTheNcclThatIsAskedFor) {
  for (const int rank : {0, last()}) {
    EXPECT_EQ(
        refusal(missing_on(rank)),
        format("NCCL is asked for and not to be had: {}: cannot load libnccl.so.2", place(rank)));
  }
}

TEST(DevicePaths, NameEveryRankWithoutNccl) {
  const auto all_but_last = [] {
    if (world().rank() != last()) throw CudaError(format("no file {}", world().rank()));
    return here();
  };
  const std::string message = refusal(all_but_last);
  for (int rank = 0; rank < last(); ++rank) {
    EXPECT_THAT(message, HasSubstr(format("{}: no file {}", place(rank), rank)));
  }
  EXPECT_THAT(message, Not(HasSubstr(place(last()))));
}

TEST(DevicePaths, SayOnceWhatAllRanksLack) {
  EXPECT_EQ(refusal([]() -> NcclHere { throw CudaError("cannot load libnccl.so.2"); }),
            "NCCL is asked for and not to be had: cannot load libnccl.so.2");
}

TEST(DevicePaths, DoNotMixVersions) {
  const auto old_on_last = [] {
    NcclHere found = here();
    if (world().rank() == last()) found.version = "2.27.3";
    return found;
  };
  EXPECT_FALSE(takes_nccl(world(), DevicePath::kAuto, old_on_last));
  EXPECT_THAT(refusal(old_on_last),
              HasSubstr(format("NCCL 2.28.9 on {}, 2.27.3 on {}", place(0), place(last()))));
}

TEST(DevicePaths, LeaveASharedGpuToNcclOnlyWhenThatIsAskedFor) {
  const auto share_one = []() -> NcclHere {
    return {.gpu = "node17, GPU 0000:65:00.0", .version = "2.28.9"};
  };
  testing::internal::CaptureStderr();
  const bool taken = takes_nccl(world(), DevicePath::kAuto, share_one);
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(taken);
  if (world().rank() == 0) {
    EXPECT_THAT(logged, HasSubstr("ranks 0 and 1 share one (node17, GPU 0000:65:00.0)"));
  }
  EXPECT_TRUE(takes_nccl(world(), DevicePath::kNccl, share_one));
}

}  // namespace
}  // namespace lckv::comm
