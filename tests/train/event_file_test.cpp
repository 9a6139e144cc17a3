#include "lckv/train/event_file.h"

#include <array>
#include <cmath>
#include <csignal>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "event_reader.h"
#include "lckv/base/error.h"
#include "lckv/train/event_message.h"
#include "tiny_run.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;

using nlohmann::json;
using test::read_events;

double number(const json& field) { return std::stod(field[0].get<std::string>()); }
std::vector<double> numbers(const json& field) {
  std::vector<double> all;
  for (const json& one : field) all.push_back(std::stod(one.get<std::string>()));
  return all;
}

class EventFileTest : public testing::Test {
 protected:
  EventFileTest()
      : folder_(test::fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name())) {
  }
  ~EventFileTest() override { fs::remove_all(folder_); }

  /// The events behind the two that open every file.
  template <class Write>
  std::vector<json> written(const Write& write) {
    fs::path path;
    {
      EventFile file(folder_, 0);
      write(file);
      path = file.path();
    }
    std::vector<json> events = read_events(path);
    events.erase(events.begin(), events.begin() + 2);
    return events;
  }

  fs::path folder_;
};

TEST_F(EventFileTest, ChecksumOfTheTestIsTheOneOfTheStandard) {
  EXPECT_EQ(test::crc32c("123456789"), 0xe3069283U);  // RFC 3720, B.4 has more
  EXPECT_EQ(test::crc32c(std::string(32, '\0')), 0x8a9136aaU);
}

TEST_F(EventFileTest, BeginsWithItsVersionAndARestart) {
  const EventFile file(folder_, 7);
  const std::vector<json> events = read_events(file.path());
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0]["file_version"][0], "brain.Event:2");
  EXPECT_EQ(events[1]["session_log"][0]["status"][0], "START");
  EXPECT_EQ(events[1]["step"][0], "7");
}

TEST_F(EventFileTest, WallTimeIsNow) {
  const auto now_s = static_cast<double>(time(nullptr));
  const EventFile file(folder_, 0);
  for (const json& event : read_events(file.path())) {
    EXPECT_NEAR(number(event["wall_time"]), now_s, 5);
  }
}

TEST_F(EventFileTest, ScalarsOfARowAreOneRecord) {
  const std::vector<std::pair<std::string, double>> row = {{"loss", 2.5},
                                                           {"validation/loss", -0.0}};
  const auto events = written([&](EventFile& file) {
    file.scalars(3, row);
    file.scalar(int64_t{1} << 40, "far", 1e-40);
  });
  ASSERT_EQ(events.size(), 2u);
  const json& values = events[0]["summary"][0]["value"];
  EXPECT_EQ(events[0]["step"][0], "3");
  EXPECT_EQ(values[0]["tag"][0], "loss");
  EXPECT_EQ(number(values[0]["simple_value"]), 2.5);
  EXPECT_EQ(values[1]["tag"][0], "validation/loss");
  EXPECT_EQ(number(values[1]["simple_value"]), 0);
  EXPECT_EQ(events[1]["step"][0], "1099511627776");
  EXPECT_NEAR(number(events[1]["summary"][0]["value"][0]["simple_value"]), 1e-40, 1e-45);
}

TEST_F(EventFileTest, NanAndInfinitiesAreScalarsToo) {
  const auto events = written([](EventFile& file) {
    file.scalar(1, "loss", std::nan(""));
    file.scalar(2, "loss", -std::numeric_limits<double>::infinity());
  });
  EXPECT_EQ(events.at(0)["summary"][0]["value"][0]["simple_value"][0], "nan");
  EXPECT_EQ(events.at(1)["summary"][0]["value"][0]["simple_value"][0], "-inf");
}

TEST_F(EventFileTest, TextIsATensorOfThePluginText) {
  const std::string text = "a: \"1\"\n\tb\\c \xc3\xa4\n" + std::string(300, 'x');
  const auto events = written([&](EventFile& file) { file.text(0, "config", text); });
  const json& value = events.at(0)["summary"][0]["value"][0];
  EXPECT_EQ(value["tag"][0], "config");
  EXPECT_EQ(value["metadata"][0]["plugin_data"][0]["plugin_name"][0], "text");
  EXPECT_EQ(value["tensor"][0]["dtype"][0], "DT_STRING");
  EXPECT_EQ(value["tensor"][0]["string_val"][0], text);
}

TEST_F(EventFileTest, HistogramCountsEveryFiniteValueOnce) {
  std::vector<double> values = {std::nan(""), -std::numeric_limits<double>::infinity()};
  for (int i = 0; i <= 100; ++i) values.push_back(i);
  const auto events = written([&](EventFile& file) { file.histogram(4, "rows", values); });
  const json& histogram = events.at(0)["summary"][0]["value"][0]["histo"][0];
  EXPECT_EQ(number(histogram["min"]), 0);
  EXPECT_EQ(number(histogram["max"]), 100);
  EXPECT_EQ(number(histogram["num"]), 101);
  EXPECT_EQ(number(histogram["sum"]), 5050);
  EXPECT_EQ(number(histogram["sum_squares"]), 338350);
  const std::vector<double> limits = numbers(histogram["bucket_limit"]);
  const std::vector<double> counts = numbers(histogram["bucket"]);
  ASSERT_EQ(limits.size(), 50u);
  EXPECT_EQ(limits.front(), 2);
  EXPECT_EQ(limits.back(), 100);
  ASSERT_EQ(counts.size(), 50u);
  for (size_t i = 0; i < 49; ++i) EXPECT_EQ(counts[i], 2) << i;
  EXPECT_EQ(counts.back(), 3);  // its right end is inside
}

TEST_F(EventFileTest, HistogramOfEqualValuesIsOneBucketAndOfNoneNothing) {
  const std::array equal = {-3.5, -3.5, -3.5};
  const std::array none = {std::nan("")};
  const auto events = written([&](EventFile& file) {
    file.histogram(1, "equal", equal);
    file.histogram(1, "none", none);
    file.histogram(1, "empty", {});
  });
  ASSERT_EQ(events.size(), 1u);
  const json& histogram = events[0]["summary"][0]["value"][0]["histo"][0];
  EXPECT_THAT(numbers(histogram["bucket_limit"]), testing::ElementsAre(-3.5));
  EXPECT_THAT(numbers(histogram["bucket"]), testing::ElementsAre(3));
}

TEST_F(EventFileTest, HistogramOfTheLargestDoublesHasFiniteLimits) {
  const double largest = std::numeric_limits<double>::max();
  const std::array values = {-largest, 0.0, largest};
  const auto events = written([&](EventFile& file) { file.histogram(1, "rows", values); });
  const json& histogram = events.at(0)["summary"][0]["value"][0]["histo"][0];
  double before = -largest, count = 0;
  for (const double limit : numbers(histogram["bucket_limit"])) {
    EXPECT_LT(before, limit);
    before = limit;
  }
  EXPECT_EQ(before, largest);
  for (const double one : numbers(histogram["bucket"])) count += one;
  EXPECT_EQ(count, 3);
}

TEST_F(EventFileTest, NewFileSortsBehindOlderOnesEvenOfAClockThatWasAhead) {
  fs::create_directories(folder_);
  const fs::path ahead = folder_ / "events.out.tfevents.4000000000.host.1";
  std::ofstream(ahead) << "";
  const EventFile second(folder_, 0), third(folder_, 0);
  EXPECT_THAT(test::event_files(folder_), testing::ElementsAre(ahead, second.path(), third.path()));
}

TEST_F(EventFileTest, AnyFlippedBitIsFound) {
  fs::path path;
  {
    EventFile file(folder_, 3);
    file.scalar(3, "loss", 2.5);
    path = file.path();
  }
  const std::string bytes = test::bytes_of(path);
  EXPECT_EQ(test::read_records(bytes).size(), 3u);
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << at % 8));
    EXPECT_THROW(test::read_records(damaged), std::runtime_error) << "byte " << at;
  }
  // The whole records before a torn one are those of a run that was killed.
  EXPECT_THROW(test::read_records(bytes.substr(0, bytes.size() - 1)), std::runtime_error);
}

TEST_F(EventFileTest, FieldThatTheMessagesDoNotHaveIsFound) {
  EXPECT_THROW(test::ProtocText("event {\n  12: 5\n}\n").message(), std::runtime_error);
}

TEST_F(EventFileTest, FullDiskIsAnIoErrorThatNamesTheFile) {
  EventFile file(folder_, 0);
  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {fs::file_size(file.path()) + 5, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  try {
    file.scalar(1, "loss", 1);
    ADD_FAILURE() << "written";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr(file.path().string()));
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
}

TEST_F(EventFileTest, FolderThatCannotBeMadeIsAnIoError) {
  std::ofstream(folder_ / "file") << "";
  EXPECT_THROW(EventFile(folder_ / "file" / "tensorboard", 0), IoError);
}

}  // namespace
}  // namespace lckv::train
