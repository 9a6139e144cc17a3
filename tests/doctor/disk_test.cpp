#include "lckv/doctor/disk.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lckv::doctor {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path fresh_folder(const std::string& name) {
  const fs::path folder = fs::path(testing::TempDir()) / ("lckv_doctor_" + name);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

TEST(Disk, AFolderThatIsNotThereYetIsJudgedByTheOneAbove) {
  const fs::path folder = fresh_folder("above");
  const DiskFacts there = read_disk(folder), later = read_disk(folder / "a" / "b");
  EXPECT_EQ(later.problem, "");
  EXPECT_EQ(later.existing, there.existing);
  EXPECT_EQ(later.folder, (folder / "a" / "b").string());
  EXPECT_EQ(later.file_system, there.file_system);
  EXPECT_GT(later.free_bytes, 0);
  EXPECT_FALSE(fs::exists(folder / "a"));
}

TEST(Disk, AFileIsNoFolder) {
  const fs::path folder = fresh_folder("file");
  std::ofstream(folder / "file") << "x";
  EXPECT_THAT(read_disk(folder / "file").problem, HasSubstr("is not a folder"));
}

TEST(Disk, TheTrialMeasuresAndLeavesNothing) {
  const fs::path folder = fresh_folder("trial");
  const DiskRates rates = measure_disk(folder, 0.1);
  EXPECT_EQ(rates.problem, "");
  EXPECT_GT(rates.write_bytes_per_s, 0);
  EXPECT_GT(rates.read_bytes_per_s, 0);
  EXPECT_GT(rates.fsync_s, 0);
  EXPECT_TRUE(rates.locks);
  EXPECT_TRUE(fs::is_empty(folder));
}

TEST(Disk, WhatCannotBeWrittenIsTheResult) {
  EXPECT_THAT(measure_disk("/proc", 0.1).problem, HasSubstr("/proc: cannot create a file"));
}

}  // namespace
}  // namespace lckv::doctor
