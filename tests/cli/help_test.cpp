#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/cli/command_options.h"
#include "lckv/cli/help_text.h"
#include "lckv/cli/parse.h"
#include "lckv/test_support/shell_words.h"

// What lckv says of itself is true: the examples of --help are command lines that its parser takes.

namespace lckv::cli {
namespace {

using testing::HasSubstr;

/// The error of parsing an example, "" when there is none. A launcher before lckv is passed over.
std::string refusal(const std::string& line) {
  const std::vector<std::string> words = test::words_of(line);
  std::vector<const char*> argv;
  for (const std::string& word : words) {
    if (!argv.empty() || word == "lckv") argv.push_back(word.c_str());
  }
  if (argv.empty()) return "no lckv in it: " + line;
  try {
    parse(static_cast<int>(argv.size()), argv.data());
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

/// The command lines at the end of a help text stand behind two spaces.
std::vector<std::string> examples_of(const CLI::App& command) {
  std::vector<std::string> lines;
  for (const std::string& line : split(command.get_footer(), '\n')) {
    if (line.find_first_not_of(' ') == 2) lines.push_back(line.substr(2));
  }
  return lines;
}

class Help : public testing::Test {
 protected:
  Help() { collect(*parser_, "lckv"); }

  std::vector<std::pair<std::string, const CLI::App*>> commands_;  // with their full names

 private:
  void collect(const CLI::App& command, const std::string& name) {
    commands_.emplace_back(name, &command);
    for (const CLI::App* inner : command.get_subcommands({})) {
      collect(*inner, name + " " + inner->get_name());
    }
  }

  Command chosen_;
  std::unique_ptr<CLI::App> parser_ = make_parser(chosen_);
};

TEST_F(Help, OfEveryCommandHasTwoToFourExamplesOfIt) {
  ASSERT_GT(commands_.size(), 15u);
  for (const auto& [name, command] : commands_) {
    const std::vector<std::string> lines = examples_of(*command);
    EXPECT_GE(lines.size(), 2u) << name;
    EXPECT_LE(lines.size(), 4u) << name;
    for (const std::string& line : lines) EXPECT_THAT(line, HasSubstr(name)) << line;
  }
}

TEST_F(Help, ShowsExamplesThatTheParserTakes) {
  for (const auto& [name, command] : commands_) {
    for (const std::string& line : examples_of(*command)) EXPECT_EQ(refusal(line), "") << line;
  }
}

TEST_F(Help, WouldNotShowAnExampleWithAnOptionThatIsNotThere) {
  for (const auto& [name, command] : commands_) {
    for (const std::string& line : examples_of(*command)) {
      const std::string planted = line.substr(0, line.find(" >")) + " --no-such-option";
      EXPECT_THAT(refusal(planted), HasSubstr("there is no option --no-such-option")) << planted;
    }
  }
}

TEST_F(Help, HasGroupsAndFitsInItsColumns) {
  for (const auto& [name, command] : commands_) {
    const std::string text = help_text(*command, name);
    const std::vector<std::string> examples = examples_of(*command);
    for (const std::string& line : split(text, '\n')) {
      const bool is_example = line.size() > 2 && std::find(examples.begin(), examples.end(),
                                                           line.substr(2)) != examples.end();
      EXPECT_LE(line.size(), is_example ? 140u : kHelpColumns) << name << ": " << line;
      EXPECT_TRUE(line.empty() || line.back() != ' ') << name << ": '" << line << "'";
    }
    const bool has_many = command->get_options().size() > 15;
    EXPECT_EQ(text.find("\nMachine:\n") != std::string::npos && has_many, has_many) << name;
  }
}

TEST_F(Help, OfTheProgramGivesEachCommandOneLineUnderItsPurpose) {
  const auto& [name, program] = commands_.front();
  const std::vector<std::string> lines = split(help_text(*program, name), '\n');
  std::vector<std::string> headings, purposes;
  for (const std::string& line : lines) {
    if (line.starts_with("Where to begin")) break;
    if (line.ends_with(':') && !line.starts_with(' ')) headings.push_back(line);
  }
  for (const char* purpose : {kDataCommands, kModelCommands, kTrainCommands, kUseCommands,
                              kStateCommands, kMeasureCommands, kMachineCommands}) {
    purposes.push_back(std::string(purpose) + ":");
  }
  purposes.push_back("Options:");
  EXPECT_EQ(headings, purposes);
  for (const CLI::App* command : program->get_subcommands({})) {
    const auto begin = "  " + command->get_name() + " ";
    const auto at = std::find_if(lines.begin(), lines.end(),
                                 [&](const std::string& line) { return line.starts_with(begin); });
    ASSERT_NE(at, lines.end()) << command->get_name();
    EXPECT_FALSE((at + 1)->starts_with("   ")) << *at << *(at + 1);
  }
}

TEST(CommandLine, ThatIsWrongIsAnsweredWithTheNearestName) {
  EXPECT_THAT(refusal("lckv trian x"), HasSubstr("no command trian; did you mean train?"));
  EXPECT_THAT(refusal("lckv help train"), HasSubstr("no command help\nlckv --help lists"));
  EXPECT_THAT(refusal("lckv bench oops"), HasSubstr("no command oops; did you mean ops?"));
  EXPECT_THAT(refusal("lckv checkpoint lst a"), HasSubstr("did you mean list?"));
  EXPECT_THAT(refusal("lckv train a.yaml --stes a=3"), HasSubstr("did you mean --set?"));
  EXPECT_THAT(refusal("lckv eval r --percision=fp32"),
              HasSubstr("--percision; did you mean --precision?"));
  EXPECT_THAT(refusal("lckv eval r --percision=fp32"), HasSubstr("lckv eval --help"));
  EXPECT_THAT(refusal("lckv inspect --shw 3"),
              HasSubstr("did you mean --show?"));  // store is missing too
  EXPECT_THAT(refusal("lckv export a b -o c"), HasSubstr("b was not expected"));
  EXPECT_THAT(refusal("lckv train"), HasSubstr("config is required"));
  EXPECT_THAT(refusal("lckv eval r --logits fp8"), HasSubstr("fp32"));
  EXPECT_THAT(refusal("lckv doctor --need-gib nan"), HasSubstr("--need-gib: nan is no number"));
  EXPECT_THAT(refusal("lckv xylophone"), testing::Not(HasSubstr("did you mean")));
}

TEST(CommandLine, WithANumberOutOfAnOpenRangeIsAnsweredWithItsEndAlone) {
  EXPECT_THAT(refusal("lckv bench train a.yaml --warmup 0"), HasSubstr("0 must be above 0\n"));
  EXPECT_THAT(refusal("lckv inspect a.h5 --show -1"), HasSubstr("-1 must not be below 0\n"));
  EXPECT_THAT(refusal("lckv tokenize a -o b --validation-frac 2"), HasSubstr("not in range 0"));
}

}  // namespace
}  // namespace lckv::cli
