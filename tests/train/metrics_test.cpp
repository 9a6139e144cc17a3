#include "lckv/train/metrics.h"

#include <filesystem>
#include <fstream>
#include <iterator>

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

/// The lines that stay of these when a run continues after `step`.
std::string kept_of(const std::string& lines, int64_t step) {
  const std::string path =
      testing::TempDir() + "/lckv_metrics_kept_" + std::to_string(getpid()) + ".jsonl";
  std::ofstream(path) << lines;
  RunPosition start;
  start.step = step;
  { const MetricsWriter writer(path, start, 1); }
  std::ifstream file(path);
  const std::string kept(std::istreambuf_iterator<char>(file), {});
  std::filesystem::remove(path);
  return kept;
}

TEST(Metrics, PlannedMemoryOfAnEarlierStartAtTheSameStepGivesWay) {
  const std::string zero = "{\"step\":0,\"memory/planned_bytes\":7}\n";
  const std::string first = "{\"step\":1,\"loss\":2}\n{\"step\":1,\"memory/measured_bytes\":9}\n";
  const std::string one = "{\"step\":1,\"memory/planned_bytes\":7}\n";
  EXPECT_EQ(kept_of(zero + first + one, 1), zero + first);
  EXPECT_EQ(kept_of(zero, 0), "");
}

TEST(Metrics, StartAtStepZeroIsNoneThatIsLost) {
  testing::internal::CaptureStderr();
  kept_of("{\"step\":0,\"memory/planned_bytes\":7}\n", 0);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  testing::internal::CaptureStderr();
  kept_of("{\"step\":1,\"loss\":7}\n", 0);
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("1 lines"));
}

}  // namespace
}  // namespace lckv::train
