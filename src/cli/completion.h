#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace lckv::cli {

/// What a shell completes of one option.
struct CompletedOption {
  std::vector<std::string> names;  // with their dashes
  std::string meaning;
  bool takes_value = false;
  std::vector<std::string> values;  // fixed ones; none: files
};

struct CompletedWord {
  std::string word, meaning;
};

/// What a shell completes behind one command.
struct CompletedCommand {
  std::string path;                  // "" of the program, "/bench/ops"
  std::vector<CompletedWord> words;  // subcommands, or the fixed values of an argument; none: files
  std::vector<CompletedOption> options;
};

/// Every command of a parser, the program itself first.
std::vector<CompletedCommand> completed_commands(const CLI::App& parser);

/// Scripts that the shells read.
std::string bash_completion(const std::vector<CompletedCommand>& commands);
std::string zsh_completion(const std::vector<CompletedCommand>& commands);
std::string fish_completion(const std::vector<CompletedCommand>& commands);

}  // namespace lckv::cli
