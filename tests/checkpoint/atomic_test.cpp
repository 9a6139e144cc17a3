#include <csignal>
#include <map>

#include <gmock/gmock.h>
#include <sys/resource.h>

#include "files_fixture.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/file_calls.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A disk that takes no file above a size: EFBIG, as a full one says ENOSPC.
class ScopedFileSizeLimit {
 public:
  explicit ScopedFileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limited{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limited);
  }
  ~ScopedFileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit before_{};
  void (*handler_)(int);
};

class AtomicFileTest : public FilesTest {};
class AtomicFolderTest : public FilesTest {};

TEST_F(AtomicFileTest, ReplacesTheOldTextWhole) {
  write_file_atomically(folder_ / "a.json", "old");
  const FileSummary summary = write_file_atomically(folder_ / "a.json", "newer");
  EXPECT_EQ(get_text(folder_ / "a.json"), "newer");
  EXPECT_EQ(summary, (FileSummary{5, hash_text("newer")}));
  EXPECT_THAT(names_in(folder_), ElementsAre("a.json"));
}

TEST_F(AtomicFileTest, SyncsTheFileBeforeTheRenameAndTheFolderAfterIt) {
  std::vector<std::string> calls;
  const ScopedFileCallHook hook([&](std::string_view call) {
    calls.emplace_back(call);
    return 0;
  });
  write_file_atomically(folder_ / "a", "text");
  EXPECT_THAT(calls, ElementsAre("create", "write", "fsync", "close", "rename", "fsync"));
}

TEST_F(AtomicFileTest, KeepsTheOldTextAndNoTemporaryWhenAnyCallFails) {
  for (const std::string failing : {"create", "write", "fsync", "close", "rename"}) {
    put_text(folder_ / "a", "old");
    const ScopedFileCallHook hook(
        [&](std::string_view call) { return call == failing ? ENOSPC : 0; });
    EXPECT_THAT(message_of<IoError>([&] { write_file_atomically(folder_ / "a", "new"); }),
                testing::AllOf(HasSubstr((folder_ / "a").string() + ": cannot "),
                               HasSubstr("No space left on device")));
    EXPECT_EQ(get_text(folder_ / "a"), "old") << failing;
    EXPECT_THAT(names_in(folder_), ElementsAre("a")) << failing;
  }
}

TEST_F(AtomicFileTest, LeavesNothingWhenTheDiskIsFull) {
  const Buffer large(DType::kF32, {100'000});
  const ScopedFileSizeLimit limit(65536);
  EXPECT_THAT(message_of<IoError>([&] {
                write_safetensors(folder_ / "m.safetensors",
                                  std::vector<NamedTensor>{{"w", large.view(), DType::kF32}});
              }),
              HasSubstr("m.safetensors: cannot write: File too large"));
  EXPECT_THAT(names_in(folder_), IsEmpty());
}

TEST_F(AtomicFileTest, StartsOverWhereAKilledWriterLeftItsTemporary) {
  put_text(folder_ / "a.tmp", "much longer than what comes now");
  write_file_atomically(folder_ / "a", "short");
  EXPECT_EQ(get_text(folder_ / "a"), "short");
  EXPECT_THAT(names_in(folder_), ElementsAre("a"));
}

TEST_F(AtomicFileTest, GoesOnAfterAShortWriteOrAnInterruption) {
  int writes = 0;
  const ScopedFileSizeLimit limit(10);  // the first write takes 10 of 20 bytes, the second fails
  const ScopedFileCallHook hook([&](std::string_view call) {
    writes += call == "write" ? 1 : 0;
    return 0;
  });
  EXPECT_THROW(write_file_atomically(folder_ / "a", std::string(20, 'x')), IoError);
  EXPECT_EQ(writes, 2);
}

TEST_F(AtomicFolderTest, AppearsWholeAtCommit) {
  {
    AtomicFolder folder(folder_ / "new" / "out", ExistingFolder::kRefuse);
    put_text(folder.building() / "a", "1");
    EXPECT_FALSE(std::filesystem::exists(folder_ / "new" / "out"));
    folder.commit();
  }
  EXPECT_THAT(names_in(folder_ / "new"), ElementsAre("out"));
  EXPECT_EQ(get_text(folder_ / "new" / "out" / "a"), "1");
}

TEST_F(AtomicFolderTest, LeavesNothingWithoutACommit) {
  {
    AtomicFolder folder(folder_ / "out/", ExistingFolder::kRefuse);
    put_text(folder.building() / "a", "1");
  }
  EXPECT_THAT(names_in(folder_), IsEmpty());
}

TEST_F(AtomicFolderTest, TakesAnEmptyFolderAndRefusesAFullOne) {
  std::filesystem::create_directories(folder_ / "out");
  AtomicFolder(folder_ / "out", ExistingFolder::kRefuse).commit();
  put_text(folder_ / "out" / "a", "old");
  EXPECT_THAT(
      message_of<DataError>([&] { AtomicFolder(folder_ / "out", ExistingFolder::kRefuse); }),
      HasSubstr("out: the folder exists and holds 1 entries"));
  put_text(folder_ / "file", "x");
  EXPECT_THAT(
      message_of<DataError>([&] { AtomicFolder(folder_ / "file", ExistingFolder::kReplace); }),
      HasSubstr("a file is in the way"));
  EXPECT_EQ(get_text(folder_ / "out" / "a"), "old");
}

TEST_F(AtomicFolderTest, ReplacesAllOfAnOldFolderButNeverOneWithSubFolders) {
  std::filesystem::create_directories(folder_ / "out");
  put_text(folder_ / "out" / "old", "1");
  {
    AtomicFolder folder(folder_ / "out", ExistingFolder::kReplace);
    put_text(folder.building() / "new", "2");
    folder.commit();
  }
  EXPECT_THAT(names_in(folder_ / "out"), ElementsAre("new"));
  EXPECT_THAT(names_in(folder_), ElementsAre("out"));
  std::filesystem::create_directories(folder_ / "out" / "mine");
  EXPECT_THAT(
      message_of<DataError>([&] { AtomicFolder(folder_ / "out", ExistingFolder::kReplace); }),
      HasSubstr("holds sub-folders"));
}

/// Replaces `out`, which holds "old", by a folder that holds "new".
void replace(const std::filesystem::path& out) {
  AtomicFolder folder(out, ExistingFolder::kReplace);
  put_text(folder.building() / "new", "2");
  folder.commit();
}

/// A hook for a file system that cannot exchange two names, on which the `failing`th rename fails.
FileCallHook without_exchange(int& renames, int failing) {
  return [&renames, failing](std::string_view call) {
    if (call == "exchange") return EINVAL;
    return call == "rename" && ++renames == failing ? EIO : 0;
  };
}

TEST_F(AtomicFolderTest, ReplacesByTwoRenamesWhereTheFileSystemHasNoExchange) {
  std::filesystem::create_directories(folder_ / "out");
  put_text(folder_ / "out" / "old", "1");
  int renames = 0;
  const ScopedFileCallHook hook(without_exchange(renames, 0));
  replace(folder_ / "out");
  EXPECT_EQ(renames, 2);
  EXPECT_THAT(names_in(folder_ / "out"), ElementsAre("new"));
  EXPECT_THAT(names_in(folder_), ElementsAre("out"));
}

TEST_F(AtomicFolderTest, GivesTheOldFolderItsNameBackWhenTheSecondRenameFails) {
  std::filesystem::create_directories(folder_ / "out");
  put_text(folder_ / "out" / "old", "1");
  for (const int failing : {1, 2}) {
    int renames = 0;
    const ScopedFileCallHook hook(without_exchange(renames, failing));
    EXPECT_THAT(message_of<IoError>([&] { replace(folder_ / "out"); }), HasSubstr("out: cannot "));
    EXPECT_THAT(names_in(folder_ / "out"), ElementsAre("old"));
    EXPECT_THAT(names_in(folder_), ElementsAre("out"));
  }
}

/// Until then a power cut may leave either of the two under the name.
TEST_F(AtomicFolderTest, KeepsTheOldFolderBesideTheNewOneWhenTheLastSyncFails) {
  const auto out = folder_ / "out";
  for (const bool can_exchange : {true, false}) {
    std::filesystem::remove_all(out);
    std::filesystem::create_directories(out);
    put_text(out / "old", "1");
    int syncs = 0;  // the first is that of what was built
    const ScopedFileCallHook hook([&](std::string_view call) {
      if (call == "exchange" && !can_exchange) return EINVAL;
      return call == "fsync" && ++syncs == 2 ? EIO : 0;
    });
    EXPECT_THAT(message_of<IoError>([&] { replace(out); }), HasSubstr("cannot sync the folder"));
    EXPECT_THAT(names_in(out), ElementsAre("new"));
    const auto kept = can_exchange ? AtomicFolder::building_path(out) : replaced_path(out);
    EXPECT_EQ(get_text(kept / "old"), "1");
    replace(out);
    EXPECT_THAT(names_in(folder_), ElementsAre("out"));
  }
}

TEST_F(AtomicFolderTest, RestoresWhatAKillBetweenTheTwoRenamesLeft) {
  std::filesystem::create_directories(folder_ / "out.replaced.tmp");
  put_text(folder_ / "out.replaced.tmp" / "old", "1");
  EXPECT_THAT(
      message_of<DataError>([&] { AtomicFolder(folder_ / "out", ExistingFolder::kRefuse); }),
      HasSubstr("out: the folder exists and holds 1 entries"));
  EXPECT_THAT(names_in(folder_), ElementsAre("out"));
  EXPECT_THAT(names_in(folder_ / "out"), ElementsAre("old"));

  std::filesystem::create_directories(folder_ / "out.replaced.tmp");
  restore_replaced(folder_ / "out");  // its successor stands
  EXPECT_THAT(names_in(folder_), ElementsAre("out"));
}

}  // namespace
}  // namespace lckv::checkpoint
