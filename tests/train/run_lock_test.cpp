#include "lckv/train/run_lock.h"

#include <filesystem>
#include <fstream>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "tiny_run.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;

TEST(RunLock, AFolderThatItMadeGoesAgainWhenNothingWasWritten) {
  const fs::path above = test::fresh_folder("lock_made");
  for (const char* name : {"run", "run/", "deeper/run"}) {
    {
      const RunLock lock((above / name).string());
      EXPECT_TRUE(fs::is_directory(above / name)) << name;
    }
    EXPECT_FALSE(fs::exists(above / name)) << name;
  }
}

TEST(RunLock, AFolderThatWasThereBeforeStays) {
  const fs::path folder = test::fresh_folder("lock_found") / "run";
  fs::create_directories(folder);
  for (const fs::path& name : {folder, folder / ""}) {
    { const RunLock lock(name.string()); }
    EXPECT_TRUE(fs::is_directory(folder)) << name;
  }
}

TEST(RunLock, AFolderWithFilesStays) {
  const fs::path folder = test::fresh_folder("lock_written") / "run";
  {
    const RunLock lock(folder.string());
    std::ofstream(folder / "metrics.jsonl") << "{}\n";
  }
  EXPECT_TRUE(fs::exists(folder / "metrics.jsonl"));
}

TEST(RunLock, WhoIsRefusedLeavesTheFolderOfWhoHoldsIt) {
  const fs::path folder = test::fresh_folder("lock_refused") / "run";
  std::optional<RunLock> first(folder.string());
  EXPECT_THROW(RunLock(folder.string()), IoError);
  EXPECT_TRUE(fs::is_directory(folder));
  first.reset();
  EXPECT_FALSE(fs::exists(folder));
}

}  // namespace
}  // namespace lckv::train
