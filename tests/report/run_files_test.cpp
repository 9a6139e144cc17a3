#include "lckv/report/run_files.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "run_folder.h"

namespace lckv::report {
namespace {

using test::RunFolder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

/// What the exception of `work` says; "" when there is none.
template <class Exception, class Work>
std::string message_of(const Work& work) {
  try {
    work();
  } catch (const Exception& error) {
    return error.what();
  }
  return "";
}

std::string data_error(const std::string& path) {
  return message_of<DataError>([&] { read_metrics(path); });
}

TEST(Metrics, BecomeOneSeriesPerName) {
  const RunFolder run("run");
  const Metrics metrics = read_metrics(run.write("metrics.jsonl",
                                                 "{\"step\":1,\"loss\":2.5,\"lr\":1e-3}\n"
                                                 "{\"step\":2,\"loss\":null,\"lr\":2e-3}\n\n"
                                                 "{\"step\":2,\"validation_loss\":2.25}\n"));
  EXPECT_EQ(metrics.rows, 3);
  EXPECT_FALSE(metrics.torn_end);
  EXPECT_THAT(metrics.get("lr").y, ElementsAre(1e-3, 2e-3));
  EXPECT_EQ(metrics.get("loss").size(), 2u);
  EXPECT_TRUE(std::isnan(metrics.get("loss").y[1]));
  EXPECT_THAT(metrics.get("validation_loss").x, ElementsAre(2));
  EXPECT_TRUE(metrics.get("nothing").empty());
}

TEST(Metrics, BrokenLinesAreNamedWithFileAndLine) {
  const RunFolder run("run");
  const std::string path = run.write("metrics.jsonl",
                                     "{\"step\":1,\"loss\":2}\n"
                                     "{\"step\":2,\"loss\":2\n"
                                     "{\"loss\":2}\n"
                                     "{\"step\":4,\"loss\":\"two\"}\n"
                                     "[1]\n"
                                     "{\"step\":6,\"loss\":[2]}\n");
  EXPECT_THAT(
      data_error(path),
      AllOf(HasSubstr(path + ":2: is not valid JSON"), HasSubstr(path + ":3: there is no \"step\""),
            HasSubstr(path + ":4: \"loss\" is a text, where a number or null belongs"),
            HasSubstr(path + ":5: is a list, not an object of numbers"),
            HasSubstr(path + ":6: \"loss\" is a list"), Not(HasSubstr(":1:"))));
}

TEST(Metrics, OfManyBrokenLinesTheFirstAreNamedAndTheRestCounted) {
  const RunFolder run("run");
  std::string text;
  for (int i = 0; i < 100; ++i) text += "x\n";
  const std::string message = data_error(run.write("metrics.jsonl", text));
  EXPECT_THAT(message, AllOf(HasSubstr(":5: "), HasSubstr("95 more lines are broken"),
                             Not(HasSubstr(":6: "))));
}

TEST(Metrics, ATornLastLineIsToleratedAndNoted) {
  const RunFolder run("run");
  const std::string whole = "{\"step\":1,\"loss\":2}\n", last = "{\"step\":2,\"loss\":3}";
  for (size_t cut = 1; cut <= last.size(); ++cut) {
    const Metrics metrics = read_metrics(run.write("metrics.jsonl", whole + last.substr(0, cut)));
    EXPECT_EQ(metrics.torn_end, cut < last.size());
    EXPECT_EQ(metrics.rows, cut < last.size() ? 1 : 2);
  }
}

TEST(Metrics, ALastLineThatEndsIsNotTorn) {
  const RunFolder run("run");
  EXPECT_THAT(data_error(run.write("metrics.jsonl", "{\"step\":1}\n{\"step\":2,\n")),
              HasSubstr(":2: "));
}

TEST(Metrics, StepsOutOfOrderAreSorted) {
  const RunFolder run("run");
  const Metrics metrics = read_metrics(run.write(
      "metrics.jsonl", "{\"step\":3,\"a\":3}\n{\"step\":1,\"a\":1}\n{\"step\":2,\"a\":2}\n"));
  EXPECT_THAT(metrics.get("a").y, ElementsAre(1, 2, 3));
}

TEST(RunFiles, AMissingFolderIsNamed) {
  EXPECT_THAT(message_of<IoError>([] { read_run("/nonexistent/run"); }),
              HasSubstr("/nonexistent/run: there is no such folder"));
}

TEST(RunFiles, AFileIsNoFolder) {
  const RunFolder run("run");
  const std::string path = run.write("metrics.jsonl", "");
  EXPECT_THAT(message_of<IoError>([&] { read_run(path); }), HasSubstr("is not a folder"));
}

TEST(RunFiles, AFolderOfSomethingElseIsNoRun) {
  const RunFolder run("run");
  EXPECT_THAT(message_of<DataError>([&] { read_run(run.path()); }),
              HasSubstr("it is not the folder of a run"));
}

TEST(RunFiles, ARunMayLackMetrics) {
  const RunFolder folder("run");
  folder.write("config.yaml", test::small_config());
  const RunFiles run = read_run(folder.path());
  EXPECT_FALSE(run.has_metrics);
  ASSERT_TRUE(run.config);
  EXPECT_EQ(run.config->model.layer_types, "0_3_3_3_4");
}

TEST(RunFiles, AConfigOfAnotherProgramIsKeptAsTextsAndItsMistakeNoted) {
  const RunFolder folder("run");
  folder.write("config.yaml", test::small_config() + "future:\n  key: 1\n");
  const RunFiles run = read_run(folder.path());
  EXPECT_FALSE(run.config);
  EXPECT_THAT(run.config_mistake, HasSubstr("future"));
  EXPECT_EQ(run.config_texts.back(), (std::pair<std::string, std::string>("future.key", "1")));
}

TEST(RunFiles, BrokenFilesAreNamed) {
  const RunFolder folder("run");
  folder.write("config.yaml", "a: [1\n");
  EXPECT_THAT(message_of<DataError>([&] { read_run(folder.path()); }), HasSubstr("config.yaml:"));
  folder.write("config.yaml", test::small_config());
  folder.write("status.json", "{");
  EXPECT_THAT(message_of<DataError>([&] { read_run(folder.path()); }), HasSubstr("status.json"));
  folder.write("status.json", "{}");
  folder.write("events.jsonl", "{\"step\":1}\n");
  EXPECT_THAT(message_of<DataError>([&] { read_run(folder.path()); }),
              HasSubstr("events.jsonl:1: there is no \"kind\""));
}

TEST(RunFiles, FilesThatCannotBeReadAreNamed) {
  for (const std::string file : {"metrics.jsonl", "events.jsonl", "config.yaml", "status.json"}) {
    const RunFolder folder("folder"), loop("loop");
    std::filesystem::create_directory(folder.path() + "/" + file);
    std::filesystem::create_symlink(file, loop.path() + "/" + file);
    for (const RunFolder* run : {&folder, &loop}) {
      EXPECT_THAT(message_of<IoError>([&] { read_run(run->path()); }),
                  HasSubstr(file + ": cannot be read: "));
    }
  }
}

TEST(RunFiles, EventsAndStatusAreRead) {
  const RunFolder folder("run");
  folder.write("events.jsonl",
               "{\"step\":7,\"time\":\"2026-11-26T10:55:36.123Z\",\"kind\":\"spike\","
               "\"message\":\"m\"}\n{\"step\":8,\"kin");
  folder.write("status.json",
               "{\"state\":\"finished\",\"step\":7,\"loss\":null,"
               "\"health\":{\"spikes\":2,\"messages\":[\"a\"]}}");
  const RunFiles run = read_run(folder.path());
  ASSERT_EQ(run.events.size(), 1u);
  EXPECT_EQ(run.events[0].kind, "spike");
  EXPECT_EQ(run.events[0].step, 7);
  EXPECT_EQ(run.status->state, "finished");
  EXPECT_EQ(run.status->spikes, 2);
  EXPECT_THAT(run.status->messages, ElementsAre("a"));
}

TEST(RunLabels, AreTheFoldersNames) {
  EXPECT_THAT(run_labels({"runs/a", "runs/b/", "/x/c/."}), ElementsAre("a", "b", "c"));
}

TEST(RunLabels, OfEqualNamesTakeWhatTellsThemApart) {
  EXPECT_THAT(run_labels({"x/run", "y/run", "z"}), ElementsAre("x/run", "y/run", "z"));
  EXPECT_THAT(run_labels({"/a/x/run", "/b/x/run"}), ElementsAre("a/\u2026/run", "b/\u2026/run"));
}

TEST(RunLabels, OfOneFolderTwiceAreCounted) {
  EXPECT_THAT(run_labels({"x/run", "x/../x/run", "y/run"}),
              ElementsAre("x/run", "x/run (2)", "y/run"));
}

}  // namespace
}  // namespace lckv::report
