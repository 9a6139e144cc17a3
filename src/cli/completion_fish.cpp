#include "lckv/base/text.h"
#include "lckv/cli/completion.h"

namespace lckv::cli {

namespace {

constexpr const char* kBegin = R"(# fish completion of lckv: lckv completion fish | source
function __lckv_command_is
  set -l command ''
  for word in (commandline -opc)[2..-1]
    switch "$command/$word"
      case)";

constexpr const char* kMiddle = R"(
        set command "$command/$word"
    end
  end
  test "$command" = "$argv[1]"
end
)";

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

/// -s o, -l output
std::string names_of(const CompletedOption& option) {
  std::string text;
  for (const std::string& name : option.names) {
    text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return text;
}

std::string lines_of(const CompletedCommand& command) {
  const std::string begin = format("complete -c lckv -n '__lckv_command_is {}'",
                                   command.path.empty() ? std::string("\"\"") : command.path);
  std::string text;
  for (const CompletedWord& word : command.words) {
    text += format("{} -f -a {} -d {}\n", begin, word.word, quoted(word.meaning));
  }
  for (const CompletedOption& option : command.options) {
    text += begin + names_of(option);
    if (!option.values.empty()) {
      text += " -x -a " + quoted(joined(option.values));
    } else if (option.takes_value) {
      text += " -r";
    }
    text += " -d " + quoted(option.meaning) + "\n";
  }
  return text;
}

}  // namespace

std::string fish_completion(const std::vector<CompletedCommand>& commands) {
  std::string paths, lines;
  for (const CompletedCommand& command : commands) {
    if (!command.path.empty()) paths += " " + command.path;
    lines += lines_of(command);
  }
  return kBegin + paths + kMiddle + lines;
}

}  // namespace lckv::cli
