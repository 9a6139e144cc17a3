#include "lckv/cli/help_text.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "lckv/base/text.h"

namespace lckv::cli {

namespace {

constexpr size_t kNameColumns = 30, kCommandColumns = 14;

constexpr char kNoBreak = 1;  // a space at which lines are not broken

/// `text` in lines of at most `columns`, each but the first behind `indent` spaces.
std::string wrapped(const std::string& text, size_t columns, size_t indent) {
  std::string result, line;
  for (const std::string& word : split(text, ' ')) {
    if (!line.empty() && line.size() + 1 + word.size() > columns) {
      result += line + "\n" + std::string(indent, ' ');
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  result += line;
  std::replace(result.begin(), result.end(), kNoBreak, ' ');
  return result;
}

/// Name and meaning side by side, or below each other when the name is long.
std::string row(const std::string& name, const std::string& meaning,
                size_t name_columns = kNameColumns) {
  std::string text = "  " + name;
  if (meaning.empty()) return text + "\n";
  if (text.size() + 2 > name_columns) text += "\n";
  const size_t last_line = text.size() - (text.rfind('\n') + 1);
  text += std::string(name_columns - last_line, ' ');
  return text + wrapped(meaning, kHelpColumns - name_columns, name_columns) + "\n";
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

/// "N", "TEXT", "fp32|bf16"
std::string value_name(const CLI::Option& option) {
  const std::vector<std::string> values = values_of(option);
  if (!values.empty()) return joined(values, "|");
  const std::string type = option.get_type_name();
  if (type.find("SIZE") != std::string::npos) return "BYTES";
  if (type.starts_with("INT") || type.starts_with("UINT")) return "N";
  return type.starts_with("FLOAT") ? "X" : "TEXT";
}

std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::string names_of(const std::set<CLI::Option*>& options) {
  std::vector<std::string> names;
  for (const CLI::Option* option : options) names.push_back(option->get_name());
  std::sort(names.begin(), names.end());
  return joined(names, ", ");
}

/// "512", "pp,tg,pg"
std::string default_of(const CLI::Option& option) {
  std::string text = option.get_default_str();
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  return text;
}

std::string meaning(const CLI::Option& option) {
  std::string text = option.get_description();
  if (takes_value(option) && !option.get_default_str().empty()) {
    text += format("{}[default:{}{}]", text.empty() ? "" : " ", kNoBreak, default_of(option));
  }
  if (option.nonpositional() && option.get_required()) text += " [required]";
  if (!option.get_needs().empty()) text += format(" [with {}]", names_of(option.get_needs()));
  if (!option.get_excludes().empty()) {
    text += format(" [not with {}]", names_of(option.get_excludes()));
  }
  return text;
}

std::string option_row(const CLI::Option& option) {
  std::string name = joined(names_of(option), ", ");
  if (takes_value(option)) name += " " + value_name(option);
  return row(name, meaning(option));
}

std::string positional_name(const CLI::Option& option) {
  std::string name = option.get_name(true, false);
  if (option.get_expected_max() >= CLI::detail::expected_max_vector_size) name += "...";
  return option.get_required() ? name : "[" + name + "]";
}

std::string usage(const CLI::App& command, const std::string& name) {
  std::string text = "Usage: " + name;
  if (!command.get_subcommands({}).empty()) return text + " COMMAND ...\n";
  text += " [OPTIONS]";
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional()) text += " " + positional_name(*option);
  }
  return text + "\n";
}

std::string positionals(const CLI::App& command) {
  std::string text;
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional()) continue;
    const std::vector<std::string> values = values_of(*option);
    const std::string which = values.empty() ? "" : ": " + joined(values, ", ");
    text += row(option->get_name(true, false), meaning(*option) + which);
  }
  return text.empty() ? "" : "\nArguments:\n" + text;
}

std::string options(const CLI::App& command) {
  std::string text;
  for (const std::string& group : command.get_groups()) {
    std::string rows;
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_group() == group && option->nonpositional()) rows += option_row(*option);
    }
    if (!group.empty() && !rows.empty()) text += "\n" + group + ":\n" + rows;
  }
  return text;
}

/// A description without what follows its first colon or semicolon.
std::string first_clause(const std::string& description) {
  return description.substr(0, description.find_first_of(":;"));
}

std::string commands(const CLI::App& command) {
  std::vector<std::string> groups;
  for (const CLI::App* one : command.get_subcommands({})) {
    if (std::find(groups.begin(), groups.end(), one->get_group()) == groups.end()) {
      groups.push_back(one->get_group());
    }
  }
  std::string text;
  for (const std::string& group : groups) {
    text += "\n" + (group == "Subcommands" ? std::string("Commands") : group) + ":\n";
    for (const CLI::App* one : command.get_subcommands({})) {
      if (one->get_group() == group)
        text += row(one->get_name(), first_clause(one->get_description()), kCommandColumns);
    }
  }
  return text;
}

std::string footer(const CLI::App& command) {
  std::string text;
  for (const std::string& line : split(command.get_footer(), '\n')) {
    const size_t indent = line.find_first_not_of(' ');
    const bool is_example = indent == 2;  // a command line, to be copied
    text += "\n";
    if (indent == std::string::npos) continue;
    text += is_example ? line
                       : std::string(indent, ' ') +
                             wrapped(line.substr(indent), kHelpColumns - indent, indent);
  }
  return command.get_footer().empty() ? "" : text + "\n";
}

}  // namespace

std::vector<std::string> values_of(const CLI::Option& option) {
  const std::string type = option.get_type_name();  // "TEXT:{fp32,bf16}"
  const size_t begin = type.find(":{"), end = type.find('}');
  if (begin == std::string::npos || end == std::string::npos) return {};
  return split(type.substr(begin + 2, end - begin - 2), ',');
}

bool takes_value(const CLI::Option& option) { return option.get_expected_max() > 0; }

std::string help_text(const CLI::App& command, const std::string& name) {
  return wrapped(command.get_description(), kHelpColumns, 0) + "\n\n" + usage(command, name) +
         commands(command) + positionals(command) + options(command) + footer(command);
}

}  // namespace lckv::cli
