#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "program.h"

// Runs that cannot be continued, or not be saved: refused with the cause named, and what stood
// before stands.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Every file below a folder and its bytes.
std::map<std::string, std::string> content_of(const fs::path& folder) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::error_code is_a_link_to_itself;
    if (entry.is_regular_file(is_a_link_to_itself)) content[entry.path()] = read_file(entry);
  }
  return content;
}

/// A run of six steps that has saved two states.
class BadState : public testing::Test {
 protected:
  BadState()
      : folder_(fresh_folder(std::string("bad_state_") +
                             testing::UnitTest::GetInstance()->current_test_info()->name())),
        run_(folder_ / "run"),
        states_{run_ / "step-00000003", run_ / "step-00000006"} {
    tiny_store(folder_);
    config_ = tiny_run_file(folder_);
  }
  ~BadState() override { fs::remove_all(folder_); }

  Outcome train(const std::string& more = "", const std::string& prefix = "") const {
    return run_lckv("train " + config_ + " --set checkpoint.every_steps=3 " + more, prefix);
  }

  void train_whole(const std::string& more = "") const {
    const Outcome outcome = train(more);
    ASSERT_EQ(outcome.exit_code, 0) << outcome.output;
  }

  /// The run is refused with a message that `says`, and nothing of it has changed.
  template <class Matcher>
  void expect_refused(int exit_code, const Matcher& says, const std::string& more = "",
                      const std::string& prefix = "") const {
    const auto before = content_of(run_);
    const Outcome outcome = train(more, prefix);
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.output;
    EXPECT_THAT(outcome.output, says);
    EXPECT_EQ(content_of(run_) == before, true) << "files of the run have changed";
  }

  fs::path folder_, run_;
  std::vector<fs::path> states_;  // oldest first
  std::string config_;
};

TEST_F(BadState, OfAnotherModelIsRefusedAndTheKeysAreNamed) {
  train_whole();
  expect_refused(
      3,
      AllOf(HasSubstr("model.intermediate_size: 64, the saved run has 48"),
            HasSubstr("optimizer.lr: 0.5, the saved run has 0.0003"), HasSubstr("step-00000006")),
      "--set model.intermediate_size=64 --set optimizer.lr=0.5");
  expect_refused(3, HasSubstr("precision: f64, the saved run has f32"),
                 "--set train.precision=fp64");
}

TEST_F(BadState, OfAnotherTokenizerIsRefused) {
  const std::string vocabulary = "--set model.vocab_size=400";
  train_whole(vocabulary);
  const Outcome made =
      run_lckv("tokenize " + (folder_ / "train.txt").string() + " --tokenizer " +
               (folder_ / "v.model").string() + " --train-sentencepiece 300 --documents lines -o " +
               (folder_ / "other.h5").string());
  ASSERT_EQ(made.exit_code, 0) << made.output;
  fs::rename(folder_ / "other.h5", folder_ / "train.h5");
  expect_refused(3, AllOf(HasSubstr("tokenizer: "), HasSubstr("data.train: tokens")), vocabulary);
}

/// A manifest of another format version, with the checksum that belongs to it.
std::string with_version(std::string manifest, int version) {
  const std::string member = "\"version\": 2", checksum = "\"checksum\": \"";
  manifest.replace(manifest.find(member), member.size(), format("\"version\": {}", version));
  const size_t digits = manifest.find(checksum) + checksum.size();
  manifest.replace(digits, 16, std::string(16, '0'));
  const std::string hash = format("{:016x}", hash_bytes(manifest.data(), manifest.size()));
  return manifest.replace(digits, 16, hash);
}

TEST_F(BadState, OfAnotherFormatVersionIsNamedAndNothingIsOverwritten) {
  train_whole();
  for (const int version : {1, 99}) {
    // All states, or the newest alone: what a newer program wrote is not damaged.
    for (const size_t first : {0, 1}) {
      std::map<fs::path, std::string> good;
      for (size_t i = first; i < states_.size(); ++i) {
        const fs::path manifest = states_[i] / "manifest.json";
        good[manifest] = read_file(manifest);
        write_file(manifest, with_version(good[manifest], version));
      }
      expect_refused(4, AllOf(HasSubstr((states_[1] / "manifest.json").string()),
                              HasSubstr(format("version {}, ", version))));
      for (const auto& [path, text] : good) write_file(path.string(), text);
    }
  }
  train_whole();
}

TEST_F(BadState, WithAFileMissingIsLeftForTheOlderOneLoudly) {
  train_whole();
  const fs::path file = states_[1] / "rank-00000.safetensors";
  const std::string whole = read_file(file);
  fs::remove(file);
  const Outcome outcome = train();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("warning"), HasSubstr(file.string()),
                                    HasSubstr("continuing after step 3 of 6")));
  EXPECT_EQ(read_file(file) == whole, true) << "not the state of the uninterrupted run";
}

TEST_F(BadState, ThatCannotBeReadIsRefusedAndNotLeftForTheOlderOne) {
  train_whole();
  const fs::path file = states_[1] / "rank-00000.safetensors";
  fs::rename(file, folder_ / "aside");
  fs::create_symlink(file, file);
  expect_refused(5, AllOf(HasSubstr(file.string()), HasSubstr("symbolic links")));
  fs::remove(file);
  fs::rename(folder_ / "aside", file);
  train_whole();
}

TEST_F(BadState, WhoseMetricsWereCutIsContinuedWithAWord) {
  train_whole();
  const fs::path path = run_ / "metrics.jsonl";
  const std::string metrics = read_file(path);
  write_file(path, metrics.substr(0, metrics.find("{\"step\":3,")));
  const Outcome outcome = train();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  const std::string said = "metrics.jsonl: ends at step 2, the state of step 6";
  EXPECT_THAT(outcome.output, HasSubstr(said));
  EXPECT_EQ(outcome.output.find(said), outcome.output.rfind(said));
  write_file(path, metrics);
  EXPECT_THAT(train().output, Not(HasSubstr("metrics.jsonl")));
}

TEST_F(BadState, WithoutAnyWholeOneIsAnErrorAndNoStartFromZero) {
  train_whole();
  for (const fs::path& state : states_) fs::remove(state / "rank-00000.safetensors");
  expect_refused(4, AllOf(HasSubstr("none of the 2 saved states is whole"),
                          HasSubstr((states_[0] / "rank-00000.safetensors").string()),
                          HasSubstr((states_[1] / "rank-00000.safetensors").string())));
}

/// What makes the program run as somebody who may not write everywhere.
std::string as_nobody() {
  return geteuid() == 0 ? "setpriv --reuid=65534 --regid=65534 --clear-groups" : "";
}

TEST_F(BadState, InAFolderThatMayNotBeWrittenIsRefused) {
  fs::permissions(folder_, fs::perms(0555));
  const Outcome fresh = train("", as_nobody());
  fs::permissions(folder_, fs::perms(0755));
  EXPECT_EQ(fresh.exit_code, 5) << fresh.output;
  EXPECT_THAT(fresh.output, AllOf(HasSubstr(run_.string()), HasSubstr("Permission denied")));
  EXPECT_FALSE(fs::exists(run_));
  train_whole();
  fs::permissions(run_, fs::perms(0555));
  expect_refused(5,
                 AllOf(HasSubstr((run_ / "config.yaml").string()), HasSubstr("Permission denied")),
                 "", as_nobody());
  fs::permissions(run_, fs::perms(0755));
}

/// Of one MiB; the words behind run with it, then what is in the run's folder is told.
std::string with_a_small_disk(const fs::path& run) {
  return format(
      "unshare --mount sh -c 'mount -t tmpfs -o size=1m lckv {0} || exit 77; \"$0\" \"$@\"; "
      "code=$?; find {0}; exit $code'",
      run.string());
}

TEST_F(BadState, OnAFullDiskIsNotSavedAndTheOlderOneStays) {
  fs::create_directories(run_);
  const Outcome outcome = train("", with_a_small_disk(run_));
  if (outcome.exit_code == 77 || outcome.exit_code == 1) {
    GTEST_SKIP() << "THIS TEST DID NOT RUN: this user may not mount a small disk";
  }
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("No space left on device"), HasSubstr(run_.string())));
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("step-00000003/manifest.json"),
                                    Not(HasSubstr(".tmp\n")), Not(HasSubstr("step-00000006/"))));
}

TEST_F(BadState, BeyondTheLimitOfFileSizesIsNotSaved) {
  const std::string limited = "sh -c 'trap \"\" XFSZ; ulimit -f 200; exec \"$0\" \"$@\"'";
  const Outcome outcome = train("", limited);
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("step-00000003.tmp/rank-00000.safetensors"),
                                    HasSubstr("File too large")));
  EXPECT_THAT(files_in(run_), Not(testing::Contains(HasSubstr("step-"))));
  const std::string page = read_file(run_ / "status.json");
  EXPECT_EQ(train("", limited).exit_code, 5);
  EXPECT_NE(read_file(run_ / "status.json"), page) << "it had begun: not a start that was refused";
  train_whole();
}

TEST_F(BadState, IsNotMadeByTwoRunsInOneFolder) {
  const fs::path log = folder_ / "log";
  Outcome second;
  const Outcome first = run_and_signal(
      "train " + config_ + " --set train.steps=400 --set checkpoint.every_steps=100", 0,
      [&] {
        if (!fs::exists(run_ / "step-00000100")) return false;
        second = train();
        return true;
      },
      log);
  EXPECT_EQ(second.exit_code, 5) << second.output;
  EXPECT_THAT(second.output, AllOf(HasSubstr(run_.string()),
                                   HasSubstr("another process is training in this folder")));
  EXPECT_EQ(first.exit_code, 0) << first.output;
  EXPECT_TRUE(fs::exists(run_ / "step-00000400"));
}

}  // namespace
}  // namespace lckv::test
