#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "program.h"

// Completion as the shells see it: bash is asked for candidates, zsh and fish read their scripts.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

/// What bash offers with the cursor behind the last of `words`, which are quoted for a shell.
std::vector<std::string> offered(const std::string& words) {
  static const fs::path folder = fresh_folder("completion_" + std::to_string(getpid()));
  const std::string script =
      write_file(folder / "ask.bash",
                 "set -eu\nsource <(" LCKV_BINARY " completion bash)\nCOMP_WORDS=(" + words + R"()
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_lckv
[ ${#COMPREPLY[@]} -eq 0 ] || printf '%s\n' "${COMPREPLY[@]}"
)");
  const Outcome outcome = run_shell("bash " + script);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  std::vector<std::string> lines = split(outcome.output, '\n');
  lines.pop_back();
  return lines;
}

TEST(BashCompletion, OffersCommands) {
  EXPECT_THAT(offered("lckv ''"), testing::IsSupersetOf({"tokenize", "train", "bench"}));
  EXPECT_THAT(offered("lckv tr"), ElementsAre("train"));
  EXPECT_THAT(offered("lckv checkpoint ''"),
              UnorderedElementsAre("list", "show", "verify", "prune"));
  EXPECT_THAT(offered("lckv bench o"), ElementsAre("ops"));
  EXPECT_THAT(offered("lckv completion ''"), UnorderedElementsAre("bash", "zsh", "fish"));
}

TEST(BashCompletion, OffersTheOptionsOfTheCommandThatStandsThere) {
  EXPECT_THAT(offered("lckv train run.yaml --i"), ElementsAre("--init-from"));
  EXPECT_THAT(offered("lckv bench ops --"), Contains("--rows"));
  EXPECT_THAT(offered("lckv bench ops --"), Not(Contains("--steps")));
  EXPECT_THAT(offered("lckv bench train --"), Contains("--steps"));
  EXPECT_THAT(offered("lckv --v"), ElementsAre("--version"));
}

TEST(BashCompletion, OffersFixedValues) {
  EXPECT_THAT(offered("lckv export run --dtype ''"), UnorderedElementsAre("bf16", "fp32"));
  EXPECT_THAT(offered("lckv export run --dtype b"), ElementsAre("bf16"));
  EXPECT_THAT(offered("lckv export run --dtype = f"), ElementsAre("fp32"));  // as bash cuts it
  EXPECT_THAT(offered("lckv export run --dtype ="), UnorderedElementsAre("bf16", "fp32"));
  EXPECT_THAT(offered("lckv bench generate --device ''"),
              UnorderedElementsAre("auto", "cpu", "cuda"));
}

TEST(BashCompletion, LeavesTheRestToFiles) {
  EXPECT_THAT(offered("lckv train ''"), IsEmpty());
  EXPECT_THAT(offered("lckv eval run --perplexity ''"), IsEmpty());
  const Outcome outcome =
      run_shell("bash -c 'source <(" LCKV_BINARY " completion bash); complete -p lckv'");
  EXPECT_THAT(outcome.output, testing::HasSubstr("-o default"));
}

bool is_installed(const std::string& shell) {
  return run_shell("command -v " + shell).exit_code == 0;
}

/// zsh's own functions, which print what they are to offer.
constexpr const char* kZshFunctions = R"(
compdef() { print -- "$@"; }
compadd() { print -l -- $values; }
_describe() { local -a rows; rows=("${(@P)2}"); print -l -- "${(@)rows%%:*}"; }
_files() { print -- FILES; }
)";

TEST(ZshCompletion, OffersCommandsOptionsValuesAndFiles) {
  if (!is_installed("zsh")) GTEST_SKIP() << "zsh is not installed: its script is NOT CHECKED";
  const fs::path folder = fresh_folder("completion_zsh");
  const std::string script = (folder / "_lckv").string();
  ASSERT_EQ(run_shell(LCKV_BINARY " completion zsh > " + script).exit_code, 0);
  const Outcome syntax = run_shell("zsh -n " + script);
  EXPECT_EQ(syntax.exit_code, 0) << syntax.output;
  const auto ask = [&](const std::string& line) {
    const std::string asking =
        write_file(folder / "ask.zsh", kZshFunctions + ("source " + script + "\nwords=(" + line) +
                                           ")\nCURRENT=$#words\n_lckv\n");
    return split(run_shell("zsh -f " + asking).output, '\n');
  };
  EXPECT_THAT(ask("lckv checkpoint ''"),
              ElementsAre("_lckv lckv", "list", "show", "verify", "prune", ""));
  EXPECT_THAT(ask("lckv export run --dtype ''"), ElementsAre("_lckv lckv", "bf16", "fp32", ""));
  EXPECT_THAT(ask("lckv train ''"), ElementsAre("_lckv lckv", "FILES", ""));
  EXPECT_THAT(ask("lckv eval --perplexity ''"), ElementsAre("_lckv lckv", "FILES", ""));
  EXPECT_THAT(ask("lckv bench ops --"), Contains("--rows"));
  // From fpath, at the first completion already.
  const std::string first =
      write_file(folder / "first.zsh", kZshFunctions + ("fpath=(" + folder.string()) +
                                           ")\nautoload -Uz _lckv\nwords=(lckv checkpoint '')\n"
                                           "CURRENT=3\n_lckv\n");
  EXPECT_THAT(split(run_shell("zsh -f " + first).output, '\n'),
              ElementsAre("list", "show", "verify", "prune", ""));
}

TEST(FishCompletion, OffersCommandsOptionsAndValues) {
  if (!is_installed("fish")) GTEST_SKIP() << "fish is not installed: its script is NOT CHECKED";
  const fs::path folder = fresh_folder("completion_fish");
  const std::string script = (folder / "lckv.fish").string();
  ASSERT_EQ(run_shell(LCKV_BINARY " completion fish > " + script).exit_code, 0);
  const Outcome syntax = run_shell("fish --no-execute " + script);
  EXPECT_EQ(syntax.exit_code, 0) << syntax.output;
  const auto ask = [&](const std::string& line) {
    std::vector<std::string> words;
    const Outcome outcome = run_shell("HOME=" + folder.string() + " fish -N -c 'source " + script +
                                      "; complete -C \"" + line + "\"'");
    for (const std::string& row : split(outcome.output, '\n')) words.push_back(split(row, '\t')[0]);
    words.pop_back();
    return words;
  };
  EXPECT_THAT(ask("lckv checkpoint "), UnorderedElementsAre("list", "show", "verify", "prune"));
  EXPECT_THAT(ask("lckv export run --dtype "), UnorderedElementsAre("bf16", "fp32"));
  EXPECT_THAT(ask("lckv train run.yaml --init"), ElementsAre("--init-from"));
}

}  // namespace
}  // namespace lckv::test
