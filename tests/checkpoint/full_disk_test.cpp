#include <csignal>

#include <gmock/gmock.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "saved_run.h"

// A disk that is full, by the kernel's word and not by a hook's.

namespace lckv::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FullDisk : public FilesTest {};

/// Two ranks' parts of one f32 tensor.
std::vector<RankParts> parts_of(int64_t elems, uint64_t seed) {
  std::vector<Whole> tensors;
  tensors.push_back({"w", random_buffer(DType::kF32, {elems}, seed)});
  std::vector<RankParts> ranks(2);
  const Slice first{{0}, {elems / 2}}, second{{elems / 2}, {elems}};
  ranks[0].add("w", {elems}, first, cut_out(tensors[0].data.view(), first));
  ranks[1].add("w", {elems}, second, cut_out(tensors[0].data.view(), second));
  return ranks;
}

enum ChildExit { kHeld = 0, kDidNotHold = 1, kMayNotMount = 2 };

/// Gives this process, and nobody else, a disk of so many bytes there.
bool mount_small_disk(const std::filesystem::path& folder, const char* options) {
  return ::unshare(CLONE_NEWNS) == 0 &&
         ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         ::mount("lckv", folder.c_str(), "tmpfs", 0, options) == 0;
}

/// In a process of its own, whose mounts go with it.
ChildExit on_a_small_disk(const std::filesystem::path& folder, const char* options,
                          const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (!mount_small_disk(folder, options)) ::_exit(kMayNotMount);
    work();
    ::_exit(testing::Test::HasFailure() ? kDidNotHold : kHeld);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? static_cast<ChildExit>(WEXITSTATUS(status)) : kDidNotHold;
}

TEST_F(FullDisk, OfTheKernelLeavesTheOlderStateAndNothingElse) {
  const ChildExit exit = on_a_small_disk(folder_, "size=1m", [&] {
    const auto first = parts_of(100'000, 1), second = parts_of(200'000, 2);  // 0.4 MB, 0.8 MB
    const auto older = save_on_threads(folder_, 1, first);
    EXPECT_THAT(message_of([&] { save_on_threads(folder_, 2, second); }),
                testing::AllOf(HasSubstr("cannot write: No space left on device"),
                               HasSubstr("step-00000002.tmp/rank-0000")));
    EXPECT_THAT(names_in(folder_), ElementsAre("step-00000001"));
    EXPECT_EQ(find_latest_state(folder_), older);
    const auto small = save_on_threads(folder_, 3, first);  // there is room again
    EXPECT_EQ(find_latest_state(folder_), small);
    EXPECT_EQ(content_of(small), content_of(older));
  });
  if (exit == kMayNotMount) {
    GTEST_SKIP() << "THIS TEST DID NOT RUN: this user may not mount a small disk";
  }
  EXPECT_EQ(exit, kHeld);
}

TEST_F(FullDisk, WithoutRoomForOneMoreNameLeavesTheOlderState) {
  // The root, the run's folder with its two files and manifest, and of the new one not all.
  const ChildExit exit = on_a_small_disk(folder_, "nr_inodes=7", [&] {
    const auto parts = parts_of(100, 1);
    const auto older = save_on_threads(folder_, 1, parts);
    EXPECT_THAT(message_of([&] { save_on_threads(folder_, 2, parts); }),
                HasSubstr("cannot create the file: No space left on device"));
    EXPECT_THAT(names_in(folder_), ElementsAre("step-00000001"));
    EXPECT_EQ(find_latest_state(folder_), older);
  });
  if (exit == kMayNotMount) {
    GTEST_SKIP() << "THIS TEST DID NOT RUN: this user may not mount a small disk";
  }
  EXPECT_EQ(exit, kHeld);
}

TEST_F(FullDisk, AsALimitOnFileSizeLeavesTheOlderStateAndNothingElse) {
  const auto first = parts_of(1000, 1), second = parts_of(200'000, 2);
  const auto older = save_on_threads(folder_, 1, first);
  {
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit limited{100'000, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
    const std::string message = message_of([&] { save_on_threads(folder_, 2, second); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
    EXPECT_THAT(message, HasSubstr("cannot write: File too large"));
  }
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000001"));
  EXPECT_EQ(find_latest_state(folder_), older);
}

}  // namespace
}  // namespace lckv::checkpoint
