#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace lckv::test {

struct Outcome {
  int exit_code = -1;
  std::string output;  // stdout and stderr
};

/// What a shell makes of a command line.
inline Outcome run_shell(const std::string& command) {
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (size_t count = fread(buffer.data(), 1, buffer.size(), pipe))
    outcome.output.append(buffer.data(), count);
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

/// Runs the built program, as a user's shell would.
inline Outcome run_lckv(const std::string& arguments, const std::string& prefix = "") {
  return run_shell(prefix + " " + LCKV_BINARY + " " + arguments);
}

/// Starts the program, sends it `signal` once `ready()` holds (looked at every few milliseconds),
/// waits for its end. Exit code 128 + n when signal n killed it.
inline Outcome run_and_signal(const std::string& arguments, int signal,
                              const std::function<bool()>& ready,
                              const std::filesystem::path& log) {
  const pid_t child = fork();
  if (child == 0) {
    const std::string command =
        "exec " LCKV_BINARY " " + arguments + " > " + log.string() + " 2>&1";
    execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
    _exit(127);
  }
  int status = 0;
  bool ended = false;
  while (!ended && !ready()) {
    ended = waitpid(child, &status, WNOHANG) == child;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  if (!ended) {
    kill(child, signal);
    waitpid(child, &status, 0);
  }
  Outcome outcome;
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  std::ifstream file(log);
  outcome.output.assign(std::istreambuf_iterator<char>(file), {});
  return outcome;
}

inline std::filesystem::path fresh_folder(const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("lckv_cli_" + name);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  return folder;
}

inline std::string write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
  return path.string();
}

/// Names of everything in a folder, temporaries included.
inline std::vector<std::string> files_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

/// A run file of a model that trains in a second on byte tokens.
inline std::string tiny_run_file(const std::filesystem::path& folder,
                                 const std::string& more_model = "") {
  return write_file(folder / "run.yaml", "output: " + (folder / "run").string() + R"(
model:
  hidden_size: 32
  intermediate_size: 48
  num_hidden_layers: 5
  num_attention_heads: 4
  num_key_value_heads: 2
  vocab_size: 258
  max_position_embeddings: 64
  layer_types: 0_3_3_3_4
  forward_passes: 2
)" + more_model + R"(
data:
  train: )" + (folder / "train.h5").string() +
                                             R"(
  sequence_tokens: 32
train:
  steps: 6
  sequences_per_step: 2
  precision: fp32
  threads: 1
)");
}

/// A token store of bytes beside the run file.
inline Outcome tiny_store(const std::filesystem::path& folder) {
  std::string text;
  for (int i = 0; i < 400; ++i)
    text += "the cat number " + std::to_string(i * 7919 % 1000) + " sat on the mat\n";
  write_file(folder / "train.txt", text);
  return run_lckv("tokenize " + (folder / "train.txt").string() +
                  " --documents lines --tokenizer bytes -o " + (folder / "train.h5").string());
}

}  // namespace lckv::test
