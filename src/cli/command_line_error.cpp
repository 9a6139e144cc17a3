#include "lckv/cli/command_line_error.h"

#include <limits>

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

/// CLI11 writes a range without an upper end with all 309 digits of the largest double, and "above
/// 0" as one from the smallest double, which it shows as 0 too.
std::string with_readable_range(const std::string& message) {
  const size_t range = message.find(" not in range ");
  const bool has_no_end =
      message.find(format(" to {:f}", std::numeric_limits<double>::max())) != std::string::npos;
  if (range == std::string::npos || !has_no_end) return message;
  const std::string value = message.substr(0, range);
  return value + (value.ends_with(" 0") ? " must be above 0" : " must not be below 0");
}

}  // namespace

std::string explain_refusal(const CLI::App& parser, const std::string& message) {
  const CLI::App* command = &parser;  // the first that cannot use a word, or the innermost
  std::string name = parser.get_name(), word = first_unknown(parser);
  while (word.empty() && !command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    name += " " + command->get_name();
    word = first_unknown(*command);
  }
  return format("{}\n{} --help lists what there is",
                word.empty() ? with_readable_range(message) : word, name);
}

}  // namespace lckv::cli
