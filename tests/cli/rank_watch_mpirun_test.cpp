#include <fcntl.h>
#include <sys/stat.h>

#include "eval_model.h"

// Ranks that wait for one that was stopped, or that is late, in commands other than training.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr double kTimeout_s = 3;
const char* const kTimeout = "3";

/// Two ranks that are asked different things; the second one's process id is known.
class RankWatched : public EvalModel {
 protected:
  ~RankWatched() override {
    if (second_ > 0) kill(second_, SIGKILL);
  }

  void start(const std::string& first, const std::string& second) {
    const std::string script =
        write("second.sh", "echo $$ > " + path("pid.new") + "\nmv " + path("pid.new") + " " +
                               path("pid") + "\nexec " LCKV_BINARY " " + second + "\n");
    const std::string command = mpirun_ranks(1) + " " LCKV_BINARY " " + first + " : -n 1 sh " +
                                script + " 2>&1 < /dev/null";
    pipe_ = popen(command.c_str(), "r");
    while (!fs::exists(path("pid"))) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::ifstream(path("pid")) >> second_;
  }

  /// Until the second rank has its watchdog, and has long made its groups: MPI makes them, in calls
  /// that no watchdog sees.
  void wait_until_watched() const {
    for (int i = 0; i < 4000 && !is_watched(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    ASSERT_TRUE(is_watched());
    std::this_thread::sleep_for(std::chrono::seconds(2));
  }

  Outcome end() {
    Outcome outcome;
    std::array<char, 4096> buffer;
    while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe_)) {
      outcome.output.append(buffer.data(), count);
    }
    const int status = pclose(pipe_);
    outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
  }

  void expect_end_that_names_the_stopped_rank() {
    ASSERT_EQ(kill(second_, SIGSTOP), 0);
    const auto stopped = std::chrono::steady_clock::now();
    const Outcome outcome = end();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - stopped;
    EXPECT_EQ(outcome.exit_code, 7) << outcome.output;
    // The latter where it was stopped before its first message came.
    EXPECT_THAT(outcome.output,
                AllOf(HasSubstr("lckv: stalled: rank 1 "),
                      AnyOf(HasSubstr("does not answer"), HasSubstr("has not been heard of")),
                      HasSubstr("rank 0 waits")));
    EXPECT_GT(took.count(), kTimeout_s - 1);  // the other may have waited before
    EXPECT_LT(took.count(), 30);
  }

  pid_t second_ = 0;

 private:
  bool is_watched() const {
    std::error_code gone;
    for (const auto& thread :
         fs::directory_iterator("/proc/" + std::to_string(second_) + "/task", gone)) {
      std::ifstream file(thread.path() / "comm");
      std::string name;
      std::getline(file, name);
      if (name == "watchdog") return true;
    }
    return false;
  }

  FILE* pipe_ = nullptr;
};

/// `eval` of a text, which the second rank reads from a pipe: it is as late as its writer.
class EvalOfALateRank : public RankWatched {
 protected:
  /// More than any buffer on the way.
  static std::string line() {
    return R"({"text": "the cat sat", "rest": ")" + std::string(300'000, 'x') + "\"}\n";
  }

  void start_eval(int lines) {
    std::string text;
    for (int i = 0; i < lines; ++i) text += line();
    const std::string first = write("first.jsonl", text), second = path("second.jsonl");
    ASSERT_EQ(mkfifo(second.c_str(), 0600), 0);
    const std::string eval = "eval " + model() + " --threads 1 --perplexity-mode rolling " +
                             "--stall-timeout " + kTimeout + " --perplexity ";
    start(eval + first, eval + second);
    while (writer_ < 0) {  // fails until somebody reads
      writer_ = open(second.c_str(), O_WRONLY | O_NONBLOCK);
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    fcntl(writer_, F_SETFL, 0);
  }

  void write_line() const {
    const std::string text = line();
    for (size_t at = 0; at < text.size();) {
      const ssize_t count = ::write(writer_, text.data() + at, text.size() - at);
      ASSERT_GT(count, 0);
      at += static_cast<size_t>(count);
    }
  }

  int writer_ = -1;
};

TEST_F(EvalOfALateRank, EndsWhenItIsStopped) {
  start_eval(1);
  expect_end_that_names_the_stopped_rank();
  close(writer_);
}

TEST_F(EvalOfALateRank, EndsWhenItHangs) {
  start_eval(1);
  const Outcome outcome = end();
  EXPECT_EQ(outcome.exit_code, 7) << outcome.output;
  EXPECT_THAT(outcome.output,
              AllOf(HasSubstr("lckv: stalled: rank 1 ("), HasSubstr("has not begun it")));
  close(writer_);
}

TEST_F(EvalOfALateRank, GoesOnWhereItMakesProgress) {
  constexpr int kLines = 10;
  constexpr auto kBetween = std::chrono::milliseconds(600);  // in all, twice the time-out
  start_eval(kLines);
  for (int i = 0; i < kLines; ++i) {
    std::this_thread::sleep_for(kBetween);
    write_line();
  }
  close(writer_);
  const Outcome outcome = end();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("perplexity"), Not(HasSubstr("stalled"))));
}

class StoppedBench : public RankWatched {
 protected:
  void expect_end_of(const std::string& command) {
    start(command, command);
    wait_until_watched();
    expect_end_that_names_the_stopped_rank();
  }
  std::string of_run(const std::string& kind) const {
    return "bench " + kind + " " + tiny_run_file(folder_) +
           " --set guards.stall_timeout_s=" + kTimeout;
  }
};

TEST_F(StoppedBench, OfCommunicationEndsWhenARankIsStopped) {
  expect_end_of(std::string("bench comm --seconds 60 --stall-timeout ") + kTimeout);
}

TEST_F(StoppedBench, OfTrainingEndsWhenARankIsStopped) {
  expect_end_of(of_run("train") + " --steps 1000000");
}

TEST_F(StoppedBench, OfCheckpointsEndsWhenARankIsStopped) {
  const fs::path states = folder_ / "states";
  const std::string command = of_run("checkpoint") + " --saves 1000000 --folder " + states.string();
  start(command, command);
  for (int i = 0; i < 4000 && !fs::exists(states / "step-00000007"); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  expect_end_that_names_the_stopped_rank();
}

}  // namespace
}  // namespace lckv::test
