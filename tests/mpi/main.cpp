#include <cstdio>
#include <cstdlib>
#include <string>

#include <gmock/gmock.h>

#include "lckv/mpi_test/world.h"

// Every rank runs every test. A failed expectation on one rank fails the program; an exception ends
// them all, because the others would wait for that rank.

namespace {

/// Names the rank in every failure: the others print the same tests.
class RankReporter : public testing::EmptyTestEventListener {
 public:
  explicit RankReporter(int rank) : rank_(rank) {}
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d: %s:%d: %s\n", rank_,
                 result.file_name() != nullptr ? result.file_name() : "?", result.line_number(),
                 result.message());
  }

 private:
  int rank_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  testing::GTEST_FLAG(catch_exceptions) = false;  // an exception ends the rank, and so all of them
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  const char* told = std::getenv("LCKV_TEST_RANKS");
  lckv::comm::World& world = lckv::test::world();
  if (told == nullptr || std::stoi(told) < 2 || world.size() != std::stoi(told)) {
    std::fprintf(stderr,
                 "this program tests collectives: run it by tests/mpi/run.sh K; it was told %s "
                 "ranks, found %d\n",
                 told == nullptr ? "no" : told, world.size());
    return 1;
  }
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankReporter(world.rank()));
  const int failed = RUN_ALL_TESTS();
  if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    std::fprintf(stderr, "no test ran\n");
    return 1;
  }
  return failed;
}
