#include "lckv/cli/completion.h"

#include <CLI/CLI.hpp>

#include "lckv/cli/help_text.h"

namespace lckv::cli {

namespace {

CompletedOption completed(const CLI::Option& option) {
  CompletedOption result{{}, option.get_description(), takes_value(option), values_of(option)};
  for (const std::string& name : option.get_snames()) result.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) result.names.push_back("--" + name);
  return result;
}

void collect(const CLI::App& command, const std::string& path,
             std::vector<CompletedCommand>& result) {
  CompletedCommand one;
  one.path = path;
  for (const CLI::App* inner : command.get_subcommands({})) {
    one.words.push_back({inner->get_name(), inner->get_description()});
  }
  for (const CLI::Option* option : command.get_options()) {
    if (option->nonpositional()) {
      one.options.push_back(completed(*option));
    } else {
      for (const std::string& value : values_of(*option)) one.words.push_back({value, ""});
    }
  }
  result.push_back(std::move(one));
  for (const CLI::App* inner : command.get_subcommands({})) {
    collect(*inner, path + "/" + inner->get_name(), result);
  }
}

}  // namespace

std::vector<CompletedCommand> completed_commands(const CLI::App& parser) {
  std::vector<CompletedCommand> result;
  collect(parser, "", result);
  return result;
}

}  // namespace lckv::cli
