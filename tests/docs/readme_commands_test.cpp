#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "../cli/program.h"
#include "document.h"

// The commands of README.md, run one after the other as they stand there, in a folder that looks
// like the repository after launch/quickstart.sh, of a smaller size.

namespace lckv::docs {
namespace {

namespace fs = std::filesystem;
using test::Outcome;

/// How a command is run that does not run as it stands.
struct Exception {
  std::string begins;  // the command, or its beginning
  enum class How {
    kAppended,  // with `more` behind it, which makes it small
    kNotHere    // why is in `more`; that its words are right, documents_test.cpp has seen
  } how;
  std::string more;
};

const std::vector<Exception>& exceptions() {
  using How = Exception::How;
  static const std::string kShort =
      "--set train.steps=2 --set train.sequences_per_step=4 --set schedule.warmup_steps=1 "
      "--set validation.tokens=2000";
  static const std::string kEnglish = "needs texts of Debian packages, from data/english.sh";
  static const std::string kGpu = "needs GPUs";
  static const std::vector<Exception> kExceptions = {
      {"tools/test.sh", How::kNotHere, "sets up, builds and runs all tests: this is one of them"},
      {"launch/quickstart.sh", How::kNotHere, "minutes; .ci/run runs its short form"},
      {"build/lckv train configs/quickstart.yaml", How::kAppended, kShort},
      {"launch/local.sh -n 2 train configs/quickstart.yaml", How::kAppended, kShort},
      {"data/english.sh", How::kNotHere, "fetches Debian packages"},
      {"build/lckv tokenize data/corpora/english", How::kNotHere, kEnglish},
      {"build/lckv train configs/lckv_50m.yaml", How::kNotHere, kEnglish},
      {"mpirun -n 4 --bind-to none build/lckv train configs/lckv_50m.yaml", How::kNotHere,
       kEnglish},
      {"mpirun -n 4 --bind-to none build/lckv eval runs/lckv_50m", How::kNotHere, kEnglish},
      {"build/lckv report runs/lckv_50m", How::kNotHere, kEnglish},
      {"build/lckv train run.yaml --set train.device=cuda", How::kNotHere, kGpu},
      {"mpirun -n 8 build/lckv train run.yaml", How::kNotHere, kGpu},
      {"build/lckv bench train configs/tinyllama_lckv_w2.yaml", How::kNotHere, kGpu},
      {"build/lckv bench ops --device cuda", How::kNotHere, kGpu},
      {"lckv bench generate configs/tinyllama_lckv_w2.yaml", How::kNotHere, kGpu},
      {"lckv doctor", How::kAppended, "--seconds 1"},
      {"build/lckv bench train configs/lckv_50m.yaml", How::kAppended,
       "--set train.sequences_per_step=1 --set train.micro_batch_sequences=1 "
       "--set data.sequence_tokens=64 --steps 1 "
       "--gemm-seconds 0.1"},
      {"build/lckv bench train configs/quickstart.yaml", How::kAppended,
       "--set train.sequences_per_step=4 --steps 1"},
      {"mpirun -n 2 build/lckv bench train configs/quickstart.yaml", How::kAppended,
       "--set train.sequences_per_step=4 --steps 1"},
  };
  return kExceptions;
}

const Exception* exception_for(const std::string& command) {
  for (const Exception& exception : exceptions()) {
    if (command.starts_with(exception.begins)) return &exception;
  }
  return nullptr;
}

/// A folder with the names of the repository in it, and the data of the quickstart, smaller.
class Workspace {
 public:
  Workspace()
      : folder_(test::fresh_folder(std::string("readme_") +
                                   testing::UnitTest::GetInstance()->current_test_info()->name())) {
    const fs::path source = LCKV_SOURCE_DIR;
    for (const char* name : {"configs", "launch", "tools", "tests"}) {
      fs::create_directory_symlink(source / name, folder_ / name);
    }
    fs::create_directory_symlink(fs::path(LCKV_BINARY).parent_path(), folder_ / "build");
    for (const char* name :
         {"data", ".local/share/bash-completion/completions", ".config/fish/completions"}) {
      fs::create_directories(folder_ / name);
    }
    must("build/make_world --out data/corpora/world --stories 2000 --questions 20");
    must(
        "build/lckv tokenize data/corpora/world/train.jsonl -o data/corpora/world/train.h5 "
        "--tokenizer data/corpora/world/tokenizer.model --train-sentencepiece 2048");
    must(
        "build/lckv tokenize data/corpora/world/validation.jsonl -o "
        "data/corpora/world/validation.h5 --tokenizer data/corpora/world/tokenizer.model");
    std::ofstream(folder_ / "run.yaml")
        << "base: configs/quickstart.yaml\noutput: runs/mine\n"
           "train: {steps: 4, sequences_per_step: 4}\nschedule: {warmup_steps: 1}\n"
           "validation: {tokens: 2000}\n";
    must("build/lckv train run.yaml --set output=runs/quickstart");
    must("build/lckv export runs/quickstart -o FOLDER");
    std::ofstream(folder_ / "prompts.txt") << "Rosa could not\nThe cat\n";
    std::ofstream(folder_ / "prompts.jsonl") << "{\"prompt\": \"Rosa could not\"}\n";
  }
  ~Workspace() { fs::remove_all(folder_); }

  /// With the folder as HOME and as zsh's fpath, so that nothing is written elsewhere.
  Outcome run(const std::string& command) const {
    const std::string line =
        "cd '" + folder_.string() +
        "' && export HOME=\"$PWD\" PATH=\"$PWD/build:$PATH\" LCKV=\"$PWD/build/lckv\" "
        "OMPI_ALLOW_RUN_AS_ROOT=1 "
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
        "OMPI_MCA_rmaps_base_oversubscribe=1 OMP_WAIT_POLICY=passive && "
        "timeout 120 bash -c 'fpath=(. .); " +
        escaped(command) + "' < /dev/null";
    return test::run_shell(line);
  }

 private:
  static std::string escaped(const std::string& command) {
    std::string text;
    for (const char c : command) text += c == '\'' ? "'\\''" : std::string(1, c);
    return text;
  }
  void must(const std::string& command) const {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.exit_code, 0) << command << "\n" << outcome.output;
  }

  fs::path folder_;
};

TEST(ReadmeCommands, RunAsTheyStandThere) {
  const Workspace workspace;
  int ran = 0, elsewhere = 0;
  for (const ShownCommand& command : shown_commands("README.md")) {
    const Exception* exception = exception_for(command.text);
    if (exception != nullptr && exception->how == Exception::How::kNotHere) {
      ++elsewhere;
      std::printf("not here  %s: %s\n          %s\n", command.place.c_str(), command.text.c_str(),
                  exception->more.c_str());
      continue;
    }
    const std::string text = command.text + (exception == nullptr ? "" : " " + exception->more);
    std::printf("run       %s: %s\n", command.place.c_str(), text.c_str());
    std::fflush(stdout);
    const Outcome outcome = workspace.run(text);
    EXPECT_EQ(outcome.exit_code, 0) << command.place << ": " << text << "\n" << outcome.output;
    ++ran;
  }
  std::printf("%d commands ran, %d need what is not here\n", ran, elsewhere);
  EXPECT_GE(ran, 20);
}

TEST(ReadmeCommands, EveryExceptionIsOfACommandThatIsThere) {
  const std::vector<ShownCommand> commands = shown_commands("README.md");
  for (const Exception& exception : exceptions()) {
    EXPECT_TRUE(std::any_of(commands.begin(), commands.end(), [&](const ShownCommand& command) {
      return command.text.starts_with(exception.begins);
    })) << exception.begins;
  }
}

TEST(ReadmeCommands, ACommandThatFailsIsSeen) {
  const Workspace workspace;
  EXPECT_NE(workspace.run("build/lckv plan no_such.yaml").exit_code, 0);
}

}  // namespace
}  // namespace lckv::docs
