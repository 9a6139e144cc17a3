#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

// The program as a launcher starts it: real mpirun, real processes.

namespace lckv::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// Ranks of this machine, whatever its cores.
std::string mpirun() {
  return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 60 mpirun "
         "--oversubscribe --bind-to none --mca btl self,vader";
}
std::string mpirun(int ranks) { return mpirun() + " -n " + std::to_string(ranks); }

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

class Mpirun : public testing::Test {
 protected:
  Mpirun()
      : folder_(fresh_folder(std::string("mpirun_") +
                             testing::UnitTest::GetInstance()->current_test_info()->name())) {
    tiny_store(folder_);
    run_ = tiny_run_file(folder_);
  }
  std::string train(const std::string& more = "") const { return "train " + run_ + " " + more; }

  std::filesystem::path folder_;
  std::string run_;
};

/// The loss after the last step, as the log prints it.
std::string last_loss(const std::string& output) {
  const size_t step = output.rfind("step 6/6");
  const size_t loss = output.find("loss ", step);
  return step == std::string::npos ? "no last step in: " + output : output.substr(loss, 11);
}

TEST_F(Mpirun, TrainsAsOneProcessDoesAndRankZeroAloneSpeaks) {
  const Outcome alone = run_lckv(train("--set output=" + (folder_ / "alone").string()));
  for (const char* grid : {"1", "2"}) {
    const Outcome two = run_lckv(
        train("--set output=" + (folder_ / grid).string() + " --set parallel.tensor=" + grid),
        mpirun(2));
    EXPECT_EQ(two.exit_code, 0) << two.output;
    EXPECT_EQ(last_loss(two.output), last_loss(alone.output));
    EXPECT_EQ(count(two.output, "weights at step 0"), 1);
    const size_t hash = alone.output.find("hash ");
    EXPECT_THAT(two.output, HasSubstr(alone.output.substr(hash, 21)));
  }
}

TEST_F(Mpirun, EvaluatesAsOneProcessDoes) {
  ASSERT_EQ(run_lckv(train()).exit_code, 0);
  const std::string eval = "eval " + (folder_ / "run").string() + " --perplexity " +
                           (folder_ / "train.h5").string() + " --precision fp64 --threads 1";
  const Outcome alone = run_lckv(eval), two = run_lckv(eval, mpirun(2)),
                split = run_lckv(eval + " --tensor 2", mpirun(2));
  const size_t at = alone.output.find("perplexity ");
  const std::string perplexity = alone.output.substr(at, 40);
  EXPECT_THAT(two.output, HasSubstr(perplexity));
  EXPECT_THAT(split.output, HasSubstr(perplexity));
  EXPECT_EQ(count(split.output, "perplexity "), 1);
}

TEST_F(Mpirun, RefusesWhatDoesNotFitTheGridOnce) {
  const Outcome heads = run_lckv(train("--set parallel.tensor=3"), mpirun(3));
  EXPECT_EQ(heads.exit_code, 3);
  EXPECT_THAT(heads.output, HasSubstr("3 does not divide model.num_attention_heads 4"));
  EXPECT_EQ(count(heads.output, "num_attention_heads"), 1);
  const Outcome ranks = run_lckv(train("--set parallel.tensor=2"), mpirun(3));
  EXPECT_EQ(ranks.exit_code, 3);
  EXPECT_THAT(ranks.output, AllOf(HasSubstr("3 ranks"), HasSubstr("tensor")));
  const Outcome batch = run_lckv(train(), mpirun(3));
  EXPECT_EQ(batch.exit_code, 3);
  EXPECT_THAT(batch.output, HasSubstr("3 does not divide train.sequences_per_step 2"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run"));
}

TEST_F(Mpirun, ReportsAMistakeOfAllRanksOnce) {
  const Outcome outcome = run_lckv("train " + run_ + ".missing", mpirun(2));
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_EQ(count(outcome.output, "lckv: "), 1);
  EXPECT_THAT(outcome.output, Not(HasSubstr("MPI_ABORT")));
}

TEST_F(Mpirun, RefusesCommandsOfOneProcess) {
  const Outcome outcome = run_lckv("inspect " + (folder_ / "train.h5").string(), mpirun(2));
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_THAT(outcome.output, HasSubstr("inspect: runs in one process, 2 were started"));
}

TEST_F(Mpirun, NamesTheRankThatWasGivenAnotherConfiguration) {
  const std::string other = (folder_ / "other.yaml").string();
  std::filesystem::copy_file(run_, other);
  std::ofstream(other, std::ios::app) << "optimizer:\n  lr: 0.5\n";
  const std::string binary = LCKV_BINARY;
  const Outcome outcome =
      run_lckv("train " + run_ + " : -n 1 " + binary + " train " + other, mpirun(1));
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("rank 1 ("), HasSubstr("configuration differs"),
                                    HasSubstr("lr"), HasSubstr("0.5")));
}

TEST_F(Mpirun, RefusesRanksThatWereAskedForDifferentThings) {
  ASSERT_EQ(run_lckv(train()).exit_code, 0);
  const std::string binary = LCKV_BINARY;
  const std::string eval = "eval " + (folder_ / "run").string() + " --perplexity " +
                           (folder_ / "train.h5").string() + " --threads 1";
  const auto ranks = [&](const std::string& first, const std::string& second) {
    return run_lckv(first + " : -n 1 " + binary + " " + second, mpirun(1));
  };
  for (const char* other :
       {" --forward sequential", " --batch 1", " --max-tokens 100", " --tensor 2"}) {
    const Outcome outcome = ranks(eval, eval + other);
    EXPECT_EQ(outcome.exit_code, 3) << other;
    EXPECT_THAT(outcome.output, AllOf(HasSubstr("rank 1 ("), HasSubstr("what is asked differs")))
        << other;
  }
  for (const std::string& other : {eval, std::string("bench comm"), std::string("--help")}) {
    const Outcome outcome = ranks(other, train());
    EXPECT_EQ(outcome.exit_code, 3) << other;
    EXPECT_THAT(outcome.output, HasSubstr("command differs from rank 0's")) << other;
  }
}

TEST_F(Mpirun, SaysAMistakeInTheArgumentsOnce) {
  const Outcome all = run_lckv(train("--sett"), mpirun(2));
  EXPECT_EQ(all.exit_code, 2);
  EXPECT_EQ(count(all.output, "--sett"), 1);
  EXPECT_EQ(count(run_lckv("--version", mpirun(2)).output, "lckv 0.1.0"), 1);
}

/// What is trained on is what was opened, whatever lies at its path when a state is saved.
TEST_F(Mpirun, SavesAfterItsTokenStoreIsGone) {
  const std::filesystem::path log = folder_ / "log", metrics = folder_ / "run" / "metrics.jsonl";
  const Outcome outcome = run_and_signal(
      train("--set train.steps=400"), 0,
      [&] {
        std::error_code missing;
        if (std::filesystem::file_size(metrics, missing) < 100 || missing) return false;
        std::filesystem::remove(folder_ / "train.h5");
        return true;
      },
      log);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_TRUE(std::filesystem::exists(folder_ / "run" / "step-00000400"));
}

TEST_F(Mpirun, RefusesMoreThreadsThanCoresUnlessTold) {
  const std::string threads = " --set train.threads=64";
  const Outcome refused = run_lckv(train(threads), mpirun(2));
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.output,
              AllOf(HasSubstr("train.threads is 64"), HasSubstr("parallel.oversubscribe")));
  const Outcome told =
      run_lckv(train(" --set train.threads=3 --set parallel.oversubscribe=true"), mpirun(2));
  EXPECT_EQ(told.exit_code, 0) << told.output;
}

/// The damage is in the tokens themselves, found when a batch is read, in the middle of training.
TEST_F(Mpirun, ARankThatThrowsEndsAllAndIsNamed) {
  const std::filesystem::path good = folder_ / "good", bad = folder_ / "bad";
  for (const auto& place : {good, bad}) {
    std::filesystem::create_directories(place);
    std::filesystem::copy_file(folder_ / "train.h5", place / "train.h5");
  }
  std::fstream file(bad / "train.h5", std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const size_t text = bytes.find(std::string("t\0h\0e\0 \0c\0a\0t\0", 14));
  ASSERT_NE(text, std::string::npos);
  for (size_t at = text; at + 14 < bytes.size();
       at = bytes.find(std::string("t\0h\0e\0", 6), at + 6)) {
    file.clear();
    file.seekp(static_cast<std::streamoff>(at));
    file.write("\xff\xff", 2);
    if (at == std::string::npos) break;
  }
  file.close();
  const std::string command = "train " + run_ + " --set data.train=train.h5";
  const auto started = std::chrono::steady_clock::now();
  const Outcome outcome =
      run_lckv(command + " : -n 1 --wdir " + bad.string() + " " + LCKV_BINARY + " " + command,
               mpirun() + " -n 1 --wdir " + good.string());
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("rank 1 ("), HasSubstr("train.h5")));
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(20));
  // The cause stands before what the launcher says of it.
  EXPECT_LT(outcome.output.find("lckv: rank 1"), outcome.output.find("MPI_ABORT"));
}

/// Starts two ranks of a long run, kills one when training is under way.
TEST_F(Mpirun, ARankThatIsKilledEndsAllWithinSeconds) {
  const std::filesystem::path log = folder_ / "log", metrics = folder_ / "run" / "metrics.jsonl";
  const pid_t child = fork();
  if (child == 0) {
    const std::string command = "exec env " + mpirun(2) + " " LCKV_BINARY " " +
                                train("--set train.steps=1000000") + " > " + log.string() + " 2>&1";
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  const auto size_of = [&] {
    std::error_code missing;
    const auto size = std::filesystem::file_size(metrics, missing);
    return missing ? 0 : size;
  };
  for (int i = 0; i < 3000 && size_of() < 1000; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_GE(size_of(), 1000u) << "training did not begin";
  // The last started of the processes with this run file is a rank.
  ASSERT_EQ(std::system(("pkill -9 -n -f '^[^ ]*/lckv train " + run_ + "'").c_str()), 0);
  const auto killed = std::chrono::steady_clock::now();
  int status = 0;
  waitpid(child, &status, 0);
  const auto took = std::chrono::steady_clock::now() - killed;
  EXPECT_LT(took, std::chrono::seconds(10));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) != 0);
  std::ifstream file(log);
  const std::string output((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(output, AllOf(HasSubstr("rank"), HasSubstr("signal 9")));
  // Nobody stays behind.
  const std::string find = "pgrep -f '^[^ ]*/lckv train " + run_ + "' > /dev/null";
  bool gone = false;
  for (int i = 0; i < 30 && !gone; ++i) {
    gone = std::system(find.c_str()) != 0;
    if (!gone) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_TRUE(gone);
}

TEST_F(Mpirun, PlanTellsMemoryAndBytesOfEachRankWithoutAnyMpi) {
  const Outcome one = run_lckv("plan " + run_);
  EXPECT_THAT(one.output, HasSubstr("none, one process"));
  const Outcome four = run_lckv("plan " + run_ + " --ranks 4 --set parallel.tensor=2");
  EXPECT_EQ(four.exit_code, 0) << four.output;
  EXPECT_THAT(four.output, AllOf(HasSubstr("dp 2 x tp 2"), HasSubstr("tp attention out"),
                                 HasSubstr("dp gradients"), HasSubstr("of each rank")));
  EXPECT_EQ(run_lckv("plan " + run_ + " --ranks 3 --set parallel.tensor=2").exit_code, 3);
}

}  // namespace
}  // namespace lckv::test
