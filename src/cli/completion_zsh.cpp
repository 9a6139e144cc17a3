#include "lckv/base/text.h"
#include "lckv/cli/completion.h"

namespace lckv::cli {

namespace {

constexpr const char* kBegin = R"(#compdef lckv
# zsh completion of lckv, after compinit: source <(lckv completion zsh)
_lckv() {
  local command='' word option=${words[CURRENT-1]}
  local -a inner options values
  for word in "${(@)words[2,CURRENT-1]}"; do
    case $command/$word in
)";

constexpr const char* kMiddle = R"() command=$command/$word ;;
    esac
  done
  case $command in
)";

/// Of a file in fpath zsh runs all at the first completion, which must not come to nothing.
constexpr const char* kEnd = R"(  esac
  if [[ $values == files ]]; then
    _files
  elif (( $#values )); then
    compadd -a values
  elif [[ ${words[CURRENT]} == -* ]]; then
    _describe option options
  elif (( $#inner )); then
    _describe word inner
  else
    _files
  fi
}
if [[ ${funcstack[1]} == _lckv ]]; then
  _lckv
else
  compdef _lckv lckv
fi
)";

/// 'name:meaning' of _describe.
std::string described(const std::string& name, const std::string& meaning) {
  std::string text = name + ":";
  for (const char c : meaning) {
    if (c == '\'') {
      text += "'\\''";
    } else if (c == ':' || c == '\\') {
      text += std::string("\\") + c;
    } else {
      text += c;
    }
  }
  return " '" + text + "'";
}

std::string command_case(const CompletedCommand& command) {
  std::string words, options, values;
  for (const CompletedWord& word : command.words) words += described(word.word, word.meaning);
  for (const CompletedOption& option : command.options) {
    std::string names, list;
    for (const std::string& name : option.names) {
      options += described(name, option.meaning);
      names += (names.empty() ? "" : "|") + name;
    }
    if (!option.takes_value) continue;
    for (const std::string& value : option.values) list += (list.empty() ? "" : " ") + value;
    values += format("        {}) values=({}) ;;\n", names, list.empty() ? "files" : list);
  }
  std::string text =
      format("    '{}')\n      inner=({})\n      options=({})\n", command.path, words, options);
  if (!values.empty()) text += "      case $option in\n" + values + "      esac\n";
  return text + "      ;;\n";
}

}  // namespace

std::string zsh_completion(const std::vector<CompletedCommand>& commands) {
  std::string paths, cases;
  for (const CompletedCommand& command : commands) {
    if (!command.path.empty()) paths += (paths.empty() ? "      " : "|") + command.path;
    cases += command_case(command);
  }
  return kBegin + paths + kMiddle + cases + kEnd;
}

}  // namespace lckv::cli
