#include "lckv/base/text.h"
#include "lckv/cli/completion.h"

namespace lckv::cli {

namespace {

/// The command is found from the words before the cursor. `default` of `complete` offers files
/// where nothing else is known.
constexpr const char* kBegin = R"(# bash completion of lckv: source <(lckv completion bash)
_lckv() {
  local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]} command='' i
  local words='' options='' values=''
  if [ "$word" = = ]; then
    word=''
  elif [ "$option" = = ] && [ "$COMP_CWORD" -gt 1 ]; then
    option=${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case $command/${COMP_WORDS[i]} in
)";

constexpr const char* kMiddle = R"() command=$command/${COMP_WORDS[i]} ;;
    esac
  done
  case $command in
)";

constexpr const char* kEnd = R"(  esac
  COMPREPLY=()
  if [ "$values" = files ]; then
    return 0
  elif [ -n "$values" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  elif [ -n "$words" ]; then
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
  fi
}
complete -o default -F _lckv lckv
)";

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : between) + word;
  return text;
}

std::string command_case(const CompletedCommand& command) {
  std::vector<std::string> words, options;
  std::string values;
  for (const CompletedWord& word : command.words) words.push_back(word.word);
  for (const CompletedOption& option : command.options) {
    for (const std::string& name : option.names) options.push_back(name);
    if (!option.takes_value) continue;
    values += format("        {}) values='{}' ;;\n", joined(option.names, "|"),
                     option.values.empty() ? "files" : joined(option.values, " "));
  }
  std::string text = format("    '{}')\n      words='{}'\n      options='{}'\n", command.path,
                            joined(words, " "), joined(options, " "));
  if (!values.empty()) text += "      case $option in\n" + values + "      esac\n";
  return text + "      ;;\n";
}

}  // namespace

std::string bash_completion(const std::vector<CompletedCommand>& commands) {
  std::vector<std::string> paths;
  std::string cases;
  for (const CompletedCommand& command : commands) {
    if (!command.path.empty()) paths.push_back(command.path);
    cases += command_case(command);
  }
  return kBegin + ("      " + joined(paths, "|")) + kMiddle + cases + kEnd;
}

}  // namespace lckv::cli
