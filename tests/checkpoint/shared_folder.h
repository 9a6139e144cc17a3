#pragma once

#include <filesystem>
#include <string>

#include "files_fixture.h"
#include "lckv/comm/agreement.h"
#include "lckv/mpi_test/world.h"

namespace lckv::checkpoint {

/// An empty folder that every rank of this test program sees, removed after the test. Collective.
class SharedFilesTest : public testing::Test {
 protected:
  SharedFilesTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    const std::string name = "lckv_mpi_" + std::string(test->test_suite_name()) + "." +
                             test->name() + "." + std::to_string(::getpid());
    folder_ = memory_folder() / comm::gather_texts(group(), name).front();
    if (rank() == 0) std::filesystem::create_directories(folder_);
    meet();
  }
  ~SharedFilesTest() override {
    meet();
    std::error_code ignored;
    if (rank() == 0) std::filesystem::remove_all(folder_, ignored);
  }

  static comm::Communicator& group() { return test::world().all(); }
  static int rank() { return group().rank(); }
  static int ranks() { return group().size(); }
  /// What other ranks did to files before this is seen after it.
  static void meet() { group().barrier("test"); }

  std::filesystem::path folder_;
};

}  // namespace lckv::checkpoint
