#include "document.h"

#include <fstream>
#include <set>
#include <sstream>
#include <stdexcept>

#include "lckv/test_support/shell_words.h"

namespace lckv::docs {

namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream input(text);
  for (std::string line; std::getline(input, line);) lines.push_back(line);
  return lines;
}

/// The lines of code of a document; the others are empty.
std::vector<std::string> code_lines(const std::vector<std::string>& lines) {
  std::vector<std::string> code(lines.size());
  std::string fence;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.starts_with("```")) {
      fence = fence.empty() ? line : "";
    } else if (!fence.empty()) {
      code[i] = fence == "```" || fence == "```bash" || fence == "```sh" ? line : "";
    } else if (line.starts_with("    ")) {
      code[i] = line.substr(4);
    }
  }
  return code;
}

std::string without_comment(const std::string& line) {
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') quoted = !quoted;
    if (!quoted && line[i] == '#' && (i == 0 || line[i - 1] == ' ')) return line.substr(0, i);
  }
  return line;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

bool is_command(const std::string& line) {
  static const std::set<std::string> kPrograms = {"lckv",  "mpirun", "srun",   "sbatch",
                                                  "ctest", "cmake",  "source", "tensorboard"};
  const std::string word = line.substr(0, line.find(' '));
  if (kPrograms.contains(word)) return true;
  for (const char* folder : {"build/", "launch/", "tools/", "data/"}) {
    if (word.starts_with(folder) && word.find('.') != 0) return true;
  }
  return word.find('=') != std::string::npos && is_command(trimmed(line.substr(word.size())));
}

}  // namespace

std::string read_document(const std::string& name) {
  std::ifstream file(std::string(LCKV_SOURCE_DIR) + "/" + name);
  if (!file) throw std::runtime_error(name + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

const std::vector<std::string>& documents() {
  static const std::vector<std::string> kDocuments = {
      "README.md",      "launch/README.md",     "launch/HANDBOOK.md", "configs/README.md",
      "data/README.md", "data/world/README.md", "src/EXTENDING.md",   "src/train/METRICS.md"};
  return kDocuments;
}

std::vector<ShownCommand> shown_commands(const std::string& document) {
  const std::vector<std::string> code = code_lines(lines_of(read_document(document)));
  std::vector<ShownCommand> commands;
  bool prompted = false;
  for (size_t i = 0; i < code.size(); ++i) {
    // In a block that shows a prompt, lines without one are output.
    std::string line = trimmed(without_comment(code[i]));
    if (code[i].empty()) prompted = false;
    prompted = prompted || line.starts_with("$ ");
    if (prompted && !line.starts_with("$ ")) continue;
    if (prompted) line = line.substr(2);
    if (!is_command(line)) continue;
    ShownCommand command{document + ":" + std::to_string(i + 1), line};
    while (command.text.ends_with("\\") && i + 1 < code.size()) {
      command.text.pop_back();
      command.text += trimmed(without_comment(code[++i]));
    }
    commands.push_back(command);
  }
  return commands;
}

std::vector<std::string> lckv_words(const std::string& command) {
  std::vector<std::string> words = test::words_of(command);
  size_t at = 0;
  while (at < words.size() && words[at] != "lckv" && words[at] != "build/lckv") ++at;
  return {words.begin() + static_cast<std::ptrdiff_t>(at), words.end()};
}

std::vector<Quoted> quoted(const std::string& document) {
  const std::vector<std::string> lines = lines_of(read_document(document));
  const std::vector<std::string> code = code_lines(lines);
  std::vector<Quoted> found;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!code[i].empty()) continue;
    size_t begin = lines[i].find('`');
    while (begin != std::string::npos) {
      const size_t end = lines[i].find('`', begin + 1);
      if (end == std::string::npos) break;
      found.push_back(
          {document + ":" + std::to_string(i + 1), lines[i].substr(begin + 1, end - begin - 1)});
      begin = lines[i].find('`', end + 1);
    }
  }
  return found;
}

}  // namespace lckv::docs
