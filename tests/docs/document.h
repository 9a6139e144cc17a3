#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lckv::docs {

/// A command that a document shows in a block of code: one that stands alone on its lines (those
/// that end in a backslash go on), with its comment cut off.
struct ShownCommand {
  std::string place;  // "README.md:20"
  std::string text;   // as a shell takes it
};

/// The text of a file of the repository, named from its top. Throws std::runtime_error.
std::string read_document(const std::string& name);

/// Every document of the repository that shows commands.
const std::vector<std::string>& documents();

/// The commands of a document in their order: lines of code (indented by four, or fenced) that
/// begin with a program of ours, or one that starts them.
std::vector<ShownCommand> shown_commands(const std::string& document);

/// The words of a command from the program `lckv` on, or none where it does not stand there.
std::vector<std::string> lckv_words(const std::string& command);

/// What stands between single backquotes, outside of blocks of code.
struct Quoted {
  std::string place;
  std::string text;
};
std::vector<Quoted> quoted(const std::string& document);

}  // namespace lckv::docs
