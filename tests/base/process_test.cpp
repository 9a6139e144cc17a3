#include "lckv/base/process.h"

#include <cerrno>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lckv/base/error.h"

namespace {

/// Of a machine with so many possible cores, of which this process may use the first and the last;
/// 0: the machine is the real one.
thread_local int machine_cores = 0;

}  // namespace

/// Takes the place of libc's: as the kernel, refuses a set that is smaller than the machine.
extern "C" int sched_getaffinity(pid_t thread, size_t bytes, cpu_set_t* set) noexcept {
  if (machine_cores == 0) {
    const long count = syscall(SYS_sched_getaffinity, thread, bytes, set);
    return count < 0 ? -1 : 0;
  }
  if (bytes * 8 < static_cast<size_t>(machine_cores)) {
    errno = EINVAL;
    return -1;
  }
  CPU_ZERO_S(bytes, set);
  CPU_SET_S(0, bytes, set);
  CPU_SET_S(static_cast<size_t>(machine_cores) - 1, bytes, set);
  return 0;
}

namespace lckv {
namespace {

using testing::ElementsAre;

class MachineOf {
 public:
  explicit MachineOf(int cores) { machine_cores = cores; }
  ~MachineOf() { machine_cores = 0; }
};

TEST(UsableCores, AreCountedOnMachinesOfAnySize) {
  for (const int cores : {2, 1024, 1025, 5000}) {
    const MachineOf machine(cores);
    EXPECT_EQ(usable_cores(), 2) << cores;
    EXPECT_THAT(usable_core_numbers(), ElementsAre(0, cores - 1));
  }
}

TEST(UsableCores, OfThisMachineAreThoseThatTheThreadIsBoundTo) {
  const std::vector<int> all = usable_core_numbers();
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(usable_cores(), std::ssize(all));
  std::vector<int> bound;
  std::thread([&] {
    bind_to_cores({all.back()});
    bound = usable_core_numbers();
  }).join();
  EXPECT_THAT(bound, ElementsAre(all.back()));
  EXPECT_EQ(usable_core_numbers(), all);
}

TEST(UsableCores, CannotBeOnesThatTheMachineDoesNotHave) {
  EXPECT_THROW(bind_to_cores({1 << 15}), IoError);
}

}  // namespace
}  // namespace lckv
