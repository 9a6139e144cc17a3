#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "document.h"
#include "lckv/base/error.h"
#include "lckv/cli/parse.h"
#include "lckv/test_support/shell_words.h"

namespace lckv::docs {
namespace {

namespace fs = std::filesystem;

/// What the parser says against a command line; "" where it takes it.
std::string complaint(const std::string& command) {
  const std::vector<std::string> words = lckv_words(command);
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  try {
    cli::parse(static_cast<int>(argv.size()), argv.data());
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Documents, EveryCommandLineThatTheyShowIsOneOfTheProgram) {
  int checked = 0;
  for (const std::string& document : documents()) {
    for (const ShownCommand& command : shown_commands(document)) {
      if (lckv_words(command.text).empty()) continue;
      ++checked;
      EXPECT_EQ(complaint(command.text), "") << command.place << ": " << command.text;
    }
  }
  EXPECT_GE(checked, 40);
}

TEST(Documents, ACommandLineWithAnOptionThatThereIsNotIsFound) {
  EXPECT_NE(complaint("mpirun -n 2 build/lckv train run.yaml --stepz 3"), "");
  EXPECT_NE(complaint("lckv trian run.yaml"), "");
}

TEST(Documents, BlocksAreReadAsAShellReadsThem) {
  EXPECT_EQ(test::words_of("a \"b c\" --d='e f' > out"),
            (std::vector<std::string>{"a", "b c", "--d=e f"}));
  EXPECT_EQ(lckv_words("FOO=1 mpirun -n 2 build/lckv plan x"),
            (std::vector<std::string>{"build/lckv", "plan", "x"}));
}

/// A path of the repository as documents name them: no placeholder, no pattern.
bool names_a_path(const std::string& text) {
  static const std::regex kPath("(src|kernels|configs|launch|data|tests|tools)/[A-Za-z0-9_./-]+");
  return std::regex_match(text, kPath) && text.find("NAME") == std::string::npos &&
         !text.starts_with("data/corpora") && !text.starts_with("data/tasks") &&
         !text.ends_with(".h5");
}

TEST(Documents, EveryPathThatTheyNameExists) {
  int checked = 0;
  for (const std::string& document : documents()) {
    std::vector<Quoted> named = quoted(document);
    for (const ShownCommand& command : shown_commands(document)) {
      for (const std::string& word : test::words_of(command.text))
        named.push_back({command.place, word});
    }
    for (const Quoted& name : named) {
      const std::string first = name.text.substr(0, name.text.find(' '));
      if (!names_a_path(first)) continue;
      ++checked;
      EXPECT_TRUE(fs::exists(fs::path(LCKV_SOURCE_DIR) / first)) << name.place << ": " << first;
    }
  }
  EXPECT_GE(checked, 40);
  EXPECT_TRUE(names_a_path("src/model/no_such_file.h"));
}

/// All string literals of the sources, adjacent ones joined.
std::string literals_of_the_sources() {
  std::ostringstream text;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(LCKV_SOURCE_DIR) / "src")) {
    if (entry.path().extension() == ".cpp") text << std::ifstream(entry.path()).rdbuf();
  }
  return std::regex_replace(text.str(), std::regex("\"\\s*\n\\s*\""), "");
}

/// The fixed words of messages that a document quotes in italics at the beginning of a table's row.
std::vector<Quoted> quoted_messages(const std::string& document) {
  std::vector<Quoted> found;
  std::istringstream lines(read_document(document));
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (!line.starts_with("| *")) continue;
    std::string message = line.substr(3, line.find("* |") - 3) + "...";
    for (size_t end; (end = message.find("...")) != std::string::npos;) {
      const std::string words = message.substr(0, end);
      message.erase(0, end + 3);
      const size_t first = words.find_first_not_of(' ');
      if (first != std::string::npos) {
        found.push_back({document + ":" + std::to_string(number),
                         words.substr(first, words.find_last_not_of(' ') - first + 1)});
      }
    }
  }
  return found;
}

TEST(Documents, EveryMessageOfTheHandbookIsOneOfTheProgram) {
  const std::string literals = literals_of_the_sources();
  const std::vector<Quoted> messages = quoted_messages("launch/HANDBOOK.md");
  EXPECT_GE(messages.size(), 12u);
  for (const Quoted& message : messages) {
    EXPECT_NE(literals.find(message.text), std::string::npos)
        << message.place << ": no source says '" << message.text << "'";
  }
  EXPECT_EQ(literals.find("another program is training in this folder"), std::string::npos);
}

}  // namespace
}  // namespace lckv::docs
