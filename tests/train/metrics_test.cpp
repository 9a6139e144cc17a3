#include "lckv/train/metrics.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace lckv::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

/// What a run says that continues after `step` with a line of every `every` steps up to `last`.
std::string said_of(int64_t last, int64_t step, int64_t every = 1) {
  const std::string path =
      testing::TempDir() + "/lckv_metrics_" + std::to_string(getpid()) + ".jsonl";
  std::ofstream file(path);
  for (int64_t i = every; i <= last; i += every) file << "{\"step\":" << i << ",\"loss\":2.5}\n";
  file.close();
  RunPosition start;
  start.step = step;
  testing::internal::CaptureStderr();
  { const MetricsWriter writer(path, start, every); }
  std::filesystem::remove(path);
  return testing::internal::GetCapturedStderr();
}

TEST(Metrics, ThatEndBeforeTheStateThatIsContinuedWereCut) {
  EXPECT_THAT(said_of(3, 5), AllOf(HasSubstr("ends at step 3"), HasSubstr("state of step 5")));
  EXPECT_THAT(said_of(0, 5), HasSubstr("ends at step 0"));
  EXPECT_THAT(said_of(4, 11, 4), HasSubstr("ends at step 4"));
}

TEST(Metrics, ThatReachTheStateWereNot) {
  EXPECT_THAT(said_of(5, 5), IsEmpty());
  EXPECT_THAT(said_of(7, 5), IsEmpty());
  EXPECT_THAT(said_of(8, 11, 4), IsEmpty());
  EXPECT_THAT(said_of(0, 3, 4), IsEmpty());
  EXPECT_THAT(said_of(0, 0), IsEmpty());
}

}  // namespace
}  // namespace lckv::train
