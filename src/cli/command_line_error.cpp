#include "lckv/cli/command_line_error.h"

#include <CLI/CLI.hpp>

#include "lckv/base/text.h"

namespace lckv::cli {

namespace {

std::vector<std::string> option_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App& command) {
  std::vector<std::string> names;
  for (const CLI::App* one : command.get_subcommands({})) names.push_back(one->get_name());
  return names;
}

std::string unknown(const char* what, const std::string& word,
                    const std::vector<std::string>& candidates) {
  const std::string near = nearest_word(word, candidates);
  return format("there is no {} {}{}", what, word,
                near.empty() ? "" : "; did you mean " + near + "?");
}

/// Of the words that `command` could not use; "": it could use all.
std::string first_unknown(const CLI::App& command) {
  for (const std::string& word : command.remaining()) {
    if (word.starts_with('-')) {
      return unknown("option", word.substr(0, word.find('=')), option_names(command));
    }
  }
  const std::vector<std::string> rest = command.remaining(), commands = command_names(command);
  if (rest.empty()) return "";
  return commands.empty() ? format("{} was not expected", rest.front())
                          : unknown("command", rest.front(), commands);
}

}  // namespace

std::string explain_refusal(const CLI::App& parser, const std::string& message) {
  const CLI::App* command = &parser;  // the innermost that the line names
  std::string name = parser.get_name();
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
  }
  const std::string word = first_unknown(*command);
  return format("{}\n{} --help lists what there is", word.empty() ? message : word, name);
}

}  // namespace lckv::cli
