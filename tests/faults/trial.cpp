#include "trial.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <gtest/gtest.h>  // of tiny_run.h
#include <unistd.h>

#include "lckv/base/log.h"
#include "lckv/checkpoint/state.h"
#include "lckv/train/run.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "tiny_run.h"

namespace lckv::test {

namespace fs = std::filesystem;

namespace {

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Lets standard error end in a file while it lives.
class LoggedTo {
 public:
  explicit LoggedTo(const fs::path& path) : saved_(dup(STDERR_FILENO)) {
    const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(file, STDERR_FILENO);
    close(file);
  }
  ~LoggedTo() {
    dup2(saved_, STDERR_FILENO);
    close(saved_);
  }
  LoggedTo(const LoggedTo&) = delete;
  LoggedTo& operator=(const LoggedTo&) = delete;

 private:
  int saved_;
};

std::string temporaries_in(const fs::path& folder) {
  std::string names;
  if (!fs::exists(folder)) return names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".tmp") names += entry.path().string() + " ";
  }
  return names;
}

/// The step that the log says the run began at; -1 when it says nothing.
int64_t started_at(const std::string& log) {
  const std::string mark = "weights at step ";
  const size_t at = log.find(mark);
  return at == std::string::npos ? -1 : std::stoll(log.substr(at + mark.size()));
}

}  // namespace

void make_data(const Bench& bench) {
  const fs::path data = bench.base / "data";
  fs::create_directories(data);
  tiny_store(data, "train", 1);
  tiny_store(data, "validation", 2);
}

config::RunConfig fault_run(const Bench& bench, const fs::path& trial) {
  const fs::path data = bench.base / "data";
  config::RunConfig run;
  run.output = (trial / "run").string();
  run.model.hidden_size = 8;
  run.model.intermediate_size = 8;
  run.model.num_hidden_layers = 1;
  run.model.num_attention_heads = 2;
  run.model.num_key_value_heads = 2;
  run.model.vocab_size = 259;
  run.model.max_position_embeddings = 64;
  run.model.layer_types = "0";
  run.model.tie_word_embeddings = true;
  run.data.train = {(data / "train.h5").string()};
  run.data.validation = {(data / "validation.h5").string()};
  run.data.sequence_tokens = 8;
  run.train.steps = bench.steps;
  run.train.sequences_per_step = 4;
  run.train.precision = config::Precision::kFp32;
  run.train.threads = 1;
  run.parallel.tensor = bench.tensor;
  run.validation.every_steps = 2;
  run.validation.tokens = 32;
  run.checkpoint.every_steps = 1;
  run.checkpoint.keep_last = 1;
  run.checkpoint.asynchronous = bench.asynchronous;
  return run;
}

int run_logged(comm::World& world, const Bench& bench, const fs::path& trial,
               const std::string& log, const std::optional<Fault>& fault,
               std::vector<std::string>* calls) {
  const config::RunConfig run = fault_run(bench, trial);
  const std::atomic<bool> never{false};
  const LoggedTo logged(world.rank() == 0 ? trial / log : fs::path("/dev/null"));
  const FaultyDisk disk(run.output, trial / "witness", fault);
  int exit_code = 0;
  try {
    train::run_training(world, run, never);
  } catch (const Error& error) {
    log_error(error.what());
    exit_code = static_cast<int>(error.exit_code());
  }
  if (calls != nullptr) *calls = disk.calls();
  return exit_code;
}

std::string judge_failed(const fs::path& trial, Action action, int exit_code) {
  const std::string log = text_of(trial / "first");
  const bool ended = exit_code == static_cast<int>(ExitCode::kIo);
  if (!ended && exit_code != 0) return format("exit code {}: {}", exit_code, log);
  const std::string mark = ended ? "error" : "warning";
  for (const std::string& line : split(log, '\n')) {
    if (line.find(mark) == std::string::npos) continue;
    if (line.find((trial / "run").string()) == std::string::npos) continue;
    if (line.find(reason(action)) == std::string::npos) continue;
    if (!ended) return "";
    const std::string left = temporaries_in(trial / "run");
    return left.empty() ? "" : "left behind: " + left;
  }
  return format("exit code {}, but no {} names the file and '{}': {}", exit_code, mark,
                reason(action), log);
}

int64_t whole_step(const fs::path& trial) {
  const auto found = checkpoint::find_latest_state(trial / "run");
  return found ? *checkpoint::step_of(found->filename().string()) : -1;
}

std::string judge_resumed(const Bench& bench, const fs::path& trial, int64_t whole_step,
                          int exit_code) {
  const std::string log = text_of(trial / "second");
  if (exit_code != 0) return format("second start: exit code {}: {}", exit_code, log);
  const auto witness = read_lines(trial / "witness");
  if (witness.empty()) return "the fault did not come";
  const int64_t stood = std::stoll(witness.front());
  if (whole_step < stood) {
    return format("state {} had stood when the fault came, {} was found later", stood, whole_step);
  }
  if (started_at(log) != std::max<int64_t>(whole_step, 0)) {
    return format("state {} is whole, the second start said: {}", whole_step, log);
  }
  const fs::path state = state_of((trial / "run").string(), bench.steps);
  const fs::path expected = state_of((bench.reference() / "run").string(), bench.steps);
  const std::string difference = state_difference(state, expected);
  if (!difference.empty()) return "another state than the uninterrupted run's: " + difference;
  if (timeless_metrics((trial / "run").string()) !=
      timeless_metrics((bench.reference() / "run").string())) {
    return "other metrics: " + text_of(trial / "run" / "metrics.jsonl");
  }
  if (whole_step == bench.steps) return "";  // nothing was saved, which would have tidied up
  const std::string left = temporaries_in(trial / "run");
  return left.empty() ? "" : "left behind by the second start: " + left;
}

}  // namespace lckv::test
